"""The layout of one head of the trunk: pipeline.yaml, the overlays, and the paths that changed since another head."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops.core.config_repo import layout, pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.ports import ConfigRepo

_GENERATIONS = 20


@dataclass(frozen=True, slots=True)
class HeadLayout:
    """`pipeline` is the head's, or the last valid one while the head's is `broken`. `bound`: the overlays that the
    contract binds, all but the platform. `changed`: the paths that were added, removed or edited since the layout
    before; None = not known, so any path may have changed.
    """

    head: str = ""
    pipeline: Pipeline | None = None
    broken: Rejected | None = None
    overlays: Mapping[str, Overlay] = field(default_factory=dict)
    bound: Mapping[str, Overlay] = field(default_factory=dict)
    changed: frozenset[str] | None = None

    @property
    def is_new_pipeline(self) -> bool:
        return self.changed is None or pipeline.FILE in self.changed

    @property
    def is_new_base(self) -> bool:
        """True when anything outside environments/ may have changed."""
        return self.changed is None or not all(path.startswith(f"{pipeline.ENVIRONMENTS}/") for path in self.changed)


def read_layout(repo: ConfigRepo, head: str, before: HeadLayout) -> HeadLayout:
    """The layout of `head`; a fault of its pipeline.yaml is in `broken`. Raises: Unavailable as the repo does."""
    tree = repo.tree(head)
    changed = _diff_paths(repo, before.head, tree)
    if changed is not None and pipeline.FILE not in changed:
        declared, broken = before.pipeline, before.broken
    else:
        declared, broken = _parse(repo, tree, before.pipeline)
    found = layout.overlays(declared, tree) if declared is not None else ()
    overlays = {overlay.name: overlay for overlay in found}
    bound = {name: overlay for name, overlay in overlays.items() if not overlay.is_platform}
    return HeadLayout(head, declared, broken, overlays, bound, changed)


def _diff_paths(repo: ConfigRepo, before: str, after: Tree) -> frozenset[str] | None:
    if not before:
        return None
    try:
        old = repo.tree(before)
    except Rejected:  # the trunk was rewritten and the clone is a new one
        return None
    return frozenset(path for path in old.keys() | after.keys() if old.get(path) != after.get(path))


def _parse(repo: ConfigRepo, tree: Tree, last: Pipeline | None) -> tuple[Pipeline | None, Rejected | None]:
    try:
        return _pipeline_of(repo, tree), None
    except Rejected as error:
        return last or _last_valid(repo), error


def _last_valid(repo: ConfigRepo) -> Pipeline | None:
    """After a restart with a broken head: the newest version in the history that was valid."""
    for commit in repo.history(pipeline.FILE, _GENERATIONS):
        try:
            return _pipeline_of(repo, repo.tree(commit.id))
        except Rejected:
            continue
    return None


def _pipeline_of(repo: ConfigRepo, tree: Tree) -> Pipeline:
    blob = tree.get(pipeline.FILE)
    if blob is None:
        raise Rejected("NoPipeline", f"the config repo has no {pipeline.FILE}; see docs/config-repo.md")
    return pipeline.parse(repo.read(blob.id))
