"""Keeps the commits of every release by refs of their own (`refs/lockstep/base/<commit>`), so that a rewritten trunk
loses none of them: a running release can still be rendered, also from a new clone.

Only commits on the trunk are kept: a ref must not make a release valid that names any other commit.
"""

from collections.abc import Collection

import structlog

from gitops.core.config_repo import compose
from gitops.core.config_repo.environments import SyncMode
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import RELEASE_FILE
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.desired.desired_state import DesiredState
from gitops.ports import ConfigRepo

_log = structlog.get_logger(__name__)

_AT_ONCE = 200


class ReleaseRefs:
    """Called by one thread at a time. Asks git only when the head has changed."""

    def __init__(self, repo: ConfigRepo, desired: DesiredState) -> None:
        self._repo = repo
        self._desired = desired
        self._head = ""
        self._named: dict[str, frozenset[str]] = {}
        self._refused: set[str] = set()

    def keep(self) -> None:
        """Pushes refs for the commits that the releases of the head name. A git host that refuses such refs is asked
        once for each commit.

        Raises: Unavailable.
        """
        head = self._desired.head()
        if head == self._head:
            return
        named = self._read_named(head)
        missing = sorted(named - set(self._repo.read_kept()) - self._refused) if named else []
        held = [commit for commit in missing if self._is_on(head, commit)]
        for start in range(0, len(held), _AT_ONCE):
            self._push(held[start : start + _AT_ONCE])
        self._head = head

    def _read_named(self, head: str) -> frozenset[str]:
        """The commits that releases name, without environments in observe mode."""
        declared, tree = self._desired.pipeline(), self._repo.tree(head)
        observed = {
            name
            for name, environment in (declared.environments if declared else {}).items()
            if environment.sync.mode is SyncMode.OBSERVE
        }
        places = [each for each in self._desired.overlays().values() if each.environment not in observed]
        blobs = {blob.id: each for each in places if (blob := tree.get(f"{each.path}/{RELEASE_FILE}")) is not None}
        self._named = {
            blob: self._named[blob] if blob in self._named else self._read(place, tree) for blob, place in blobs.items()
        }
        return frozenset().union(*self._named.values())

    def _read(self, place: Overlay, tree: Tree) -> frozenset[str]:
        try:
            release = compose.read_release(place, tree, self._repo.read)
        except Rejected:  # the overlay's own pass reports it
            return frozenset()
        revision = release.revision if release else None
        return frozenset({revision.base, revision.overlay}) if revision else frozenset()

    def _is_on(self, head: str, commit: str) -> bool:
        try:
            return self._repo.is_ancestor(commit, head)
        except Rejected:
            return False

    def _push(self, commits: Collection[str]) -> None:
        try:
            self._repo.keep(commits)
        except Rejected as error:
            self._refused.update(commits)
            _log.warning("releases are not kept by refs of their own", commits=len(commits), message=error.message)
