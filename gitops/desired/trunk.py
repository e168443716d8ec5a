"""The trunk: which commits are on it, and which release an overlay had first. Every question costs a git process, so
the answers are kept for as long as they hold.
"""

import threading

from cachetools import LRUCache

from gitops.core.config_repo import compose
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import RELEASE_FILE
from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from gitops.ports import ConfigRepo

_MOST_KNOWN_COMMITS = 10_000


class _Commits:
    """Commits that are on the trunk, the ones that were asked for last. Thread-safe."""

    def __init__(self) -> None:
        self._known: LRUCache[str, bool] = LRUCache(_MOST_KNOWN_COMMITS)
        self._lock = threading.Lock()

    def __contains__(self, commit: str) -> bool:
        with self._lock:
            return self._known.get(commit, False)

    def add(self, commit: str) -> None:
        with self._lock:
            self._known[commit] = True


class Trunk:
    """Thread-safe: at worst a question is asked twice."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo
        self._known = _Commits()
        self._first: LRUCache[tuple[str, str], Revision | None] = LRUCache(_MOST_KNOWN_COMMITS)
        self._lock = threading.Lock()

    def extend(self, before: str, head: str) -> bool:
        """Takes in a new head. True if the trunk moved by fast-forward, so that earlier commits are still reachable."""
        grew = bool(before) and self._is_ancestor(before, head)
        if not grew:
            self._known = _Commits()
        self._known.add(head)
        return grew

    def require(self, head: str, revision: Revision) -> frozenset[str]:
        """The commits of the revision that are not reachable from `head`, but that a ref of the remote keeps.

        Raises: Rejected(NotOnTrunk) when one is neither.
        """
        known = self._known
        off_trunk = set()
        for commit in {revision.base, revision.overlay}:
            if commit in known:
                continue
            if self._repo.is_ancestor(commit, head):
                known.add(commit)
            else:
                off_trunk.add(commit)
        lost = off_trunk - set(self._repo.read_kept()) if off_trunk else set()
        if lost:
            shown = " and ".join(sorted(commit[:12] for commit in lost))
            message = f"commit {shown} of release.yaml is not on the trunk; promote again from a trunk commit"
            raise Rejected("NotOnTrunk", message)
        return frozenset(off_trunk)

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
        with self._lock:
            if (file, blob.id) in self._first:
                return self._first[file, blob.id]
        first = self._repo.first_commit(file)
        found = compose.first_release(overlay, first, self._repo.tree, self._repo.read)
        with self._lock:
            self._first[file, blob.id] = found
        return found

    def _is_ancestor(self, older: str, newer: str) -> bool:
        try:
            return self._repo.is_ancestor(older, newer)
        except Rejected:  # the clone does not have it yet
            return False
