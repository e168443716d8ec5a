"""What the trunk's head says as a whole: pipeline.yaml and the overlays, and what changed since another head."""

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
    """`pipeline` is the head's, or the last valid one while the head's is `broken`. `changed` are the paths that were
    added, removed or edited since the layout before; None = nothing is known of that, so everything may have changed.
    """

    head: str = ""
    pipeline: Pipeline | None = None
    broken: Rejected | None = None
    overlays: Mapping[str, Overlay] = field(default_factory=dict)
    changed: frozenset[str] | None = None

    @property
    def is_new_pipeline(self) -> bool:
        return self.changed is None or pipeline.FILE in self.changed

    @property
    def is_new_base(self) -> bool:
        """True when anything outside environments/ may have changed."""
        return self.changed is None or not all(path.startswith(f"{pipeline.ENVIRONMENTS}/") for path in self.changed)


def read(repo: ConfigRepo, head: str, before: HeadLayout) -> HeadLayout:
    """The layout of `head`. Raises Unavailable as the repo does; what is wrong with pipeline.yaml is in `broken`."""
    tree = repo.tree(head)
    changed = _changed(repo, before.head, tree)
    if changed is not None and pipeline.FILE not in changed:
        declared, broken = before.pipeline, before.broken
    else:
        declared, broken = _parsed(repo, tree, before.pipeline)
    found = layout.overlays(declared, tree) if declared is not None else ()
    return HeadLayout(head, declared, broken, {overlay.name: overlay for overlay in found}, changed)


def _changed(repo: ConfigRepo, before: str, after: Tree) -> frozenset[str] | None:
    if not before:
        return None
    try:
        old = repo.tree(before)
    except Rejected:  # the trunk was rewritten and the clone is a new one
        return None
    return frozenset(path for path in old.keys() | after.keys() if old.get(path) != after.get(path))


def _parsed(repo: ConfigRepo, tree: Tree, last: Pipeline | None) -> tuple[Pipeline | None, Rejected | None]:
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
