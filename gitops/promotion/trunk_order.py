"""The order of the trunk's commits, read from git."""

from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from gitops.ports import ConfigRepo


class TrunkOrder:
    """Implements CommitOrder of gitops/core/promotion/inputs.py, as of one head. For one thread at a time."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo
        self._head = ""
        self._trunk: set[str] = set()
        self._unknown: set[tuple[str, str]] = set()

    def take_in(self, head: str) -> None:
        """Sets the head. Commits that are known to be on the trunk stay valid after a fast-forward."""
        if head == self._head:
            return
        has_grown = bool(self._head) and self.is_ancestor(self._head, head)
        self._head, self._unknown = head, set()
        if not has_grown:
            self._trunk = set()

    def is_later(self, commit: str, than: str) -> bool:
        """True when `commit` comes after `than`. A commit that a rewritten trunk has lost comes before all that the
        trunk holds now.
        """
        if commit == than or not than:
            return commit != than
        return self.is_ancestor(than, commit) or (not self._is_on_trunk(than) and self._is_on_trunk(commit))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """True if `older` is in the history of `newer`. False too, until the head changes, if the repo lacks one."""
        if (older, newer) in self._unknown:
            return False
        try:
            return self._repo.is_ancestor(older, newer)
        except Rejected:
            self._unknown.add((older, newer))
            return False

    def _is_on_trunk(self, commit: str) -> bool:
        if commit not in self._trunk and self.is_ancestor(commit, self._head):
            self._trunk.add(commit)
        return commit in self._trunk


class CommitOfRequest:
    """Implements TaggedCommit of gitops/core/promotion/inputs.py: the commit that a request tags."""

    def __init__(self, order: TrunkOrder, commit: str) -> None:
        self._order = order
        self._commit = commit

    def includes(self, revision: Revision) -> bool:
        return all(self._order.is_ancestor(commit, self._commit) for commit in (revision.base, revision.overlay))
