"""The trunk: which commits are on it, and which release an overlay had first. Every question costs a git process, so
the answers are kept for as long as they hold.
"""

from gitops.core.config_repo import compose
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import RELEASE_FILE
from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from gitops.ports import ConfigRepo

_MOST_KNOWN_COMMITS = 10_000


class Trunk:
    """Thread-safe: at worst a question is asked twice."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo
        self._known: set[str] = set()
        self._first: dict[tuple[str, str], Revision | None] = {}

    def extend(self, before: str, head: str) -> bool:
        """Takes in a new head. True if the trunk moved by fast-forward, so that earlier commits are still reachable."""
        grew = bool(before) and self._is_ancestor(before, head)
        if len(self._known) > _MOST_KNOWN_COMMITS or not grew:
            self._known = set()
        self._known.add(head)
        return grew

    def require(self, head: str, revision: Revision) -> frozenset[str]:
        """The commits of the revision that are not reachable from `head`, but that a ref of the remote keeps.

        Raises: Rejected(NotOnTrunk) when one is neither.
        """
        known = self._known
        strayed = set()
        for commit in {revision.base, revision.overlay} - known:
            if self._repo.is_ancestor(commit, head):
                known.add(commit)
            else:
                strayed.add(commit)
        lost = strayed - set(self._repo.kept()) if strayed else set()
        if lost:
            shown = " and ".join(sorted(commit[:12] for commit in lost))
            message = f"commit {shown} of release.yaml is not on the trunk; promote again from a trunk commit"
            raise Rejected("NotOnTrunk", message)
        return frozenset(strayed)

    def is_behind(self, ours: str, head: str) -> bool:
        """True when another replica made a pass at `head`, and `ours` is older, also after a fetch: then this replica
        must not write. A head that is no descendant of ours belongs to a trunk that was rewritten.
        """
        known = self._known
        if not head or head in known:
            return False
        if self._is_ancestor(head, ours):
            known.add(head)
            return False
        return self._repo.fetch() != ours

    def first_release(self, overlay: Overlay, head: str) -> Revision | None:
        """The commits of the first release.yaml that the overlay ever had; None when git cannot tell. Git is asked
        again only when the file has changed.

        Raises: Unavailable when git fails.
        """
        file = f"{overlay.path}/{RELEASE_FILE}"
        blob = self._repo.tree(head).get(file)
        if blob is None:
            return None
        if (file, blob.id) not in self._first:
            first = self._repo.first_commit(file)
            self._first[file, blob.id] = compose.first_release(overlay, first, self._repo.tree, self._repo.read)
        return self._first[file, blob.id]

    def _is_ancestor(self, older: str, newer: str) -> bool:
        try:
            return self._repo.is_ancestor(older, newer)
        except Rejected:  # the clone does not have it yet
            return False
