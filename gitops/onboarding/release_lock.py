"""The second run of `lockstep init`: locks each environment with `after` to the commit that onboarded it."""

from collections.abc import Mapping

from gitops.core.config_repo import compose, layout, pipeline
from gitops.core.config_repo.compose import ComposedTree
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import FILE
from gitops.core.config_repo.release import RELEASE_FILE, Release, release_text
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.kustomize import guard
from gitops.ports import Trees

_WAIVED = "adoption"


def lock_releases(repo: Trees, head: str, commit: str) -> Mapping[str, bytes]:
    """Path -> content of each release.yaml that is missing at `head`; its base and overlay are `commit`.

    Raises: Rejected(NotCommitted) if an overlay or pipeline.yaml differs between `head` and the commit.
    """
    tree, committed = repo.tree(head), repo.tree(commit)
    declared = pipeline.parse(repo.read(tree[FILE].id))
    found = {}
    for overlay in layout.overlays(declared, tree):
        if overlay.after is None or compose.read_release(overlay, tree, repo.read) is not None:
            continue
        if tree.get(FILE) != committed.get(FILE) or not _is_committed(overlay, tree, committed, repo):
            message = (
                f"{overlay.path} differs from commit {commit[:12]}: first commit the files that `lockstep init` wrote"
            )
            raise Rejected("NotCommitted", message)
        release = Release(base=commit, overlay=commit, waived=_WAIVED)
        found[f"{overlay.path}/{RELEASE_FILE}"] = release_text(release)
    return found


def _is_committed(overlay: Overlay, tree: Tree, committed: Tree, repo: Trees) -> bool:
    try:
        one, two = (
            guard.closure(ComposedTree(overlay.path, each, each), repo.read, overlay.path).key
            for each in (tree, committed)
        )
    except Rejected:
        return False
    return one == two
