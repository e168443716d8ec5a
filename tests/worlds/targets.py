"""Sync targets of passes, chosen from git and the applied revisions. Nothing is applied."""

from collections.abc import Callable, Mapping
from datetime import datetime

from gitops.core.ownership.applyset import Parent
from gitops.core.revision import Revision
from gitops.core.sync.sync_target import SyncTarget
from gitops.desired.desired_state import DesiredState
from gitops.reconcile.admission import OverlayAdmission
from gitops.reconcile.target_choice import TargetChoice
from tests.worlds.clocks import WorldClock, now

_REPO = "repo"


class Targets:
    """`applied` maps overlay -> the revision that it runs, as a new leader reads it from the parents."""

    def __init__(
        self,
        desired: DesiredState,
        admission: OverlayAdmission,
        applied: Mapping[str, Revision],
        wall: Callable[[], datetime] = now,
    ) -> None:
        self._applied = applied
        self._breached: dict[str, bool] = {}
        self._choice = TargetChoice(desired, admission, WorldClock(wall))

    def target(self, name: str) -> SyncTarget:
        parent = Parent(name, _REPO, applied=self._applied.get(name))
        found = self._choice.choose(parent, dict(self._applied))
        if found.is_breached is not None:
            self._breached[name] = found.is_breached
        return found

    @property
    def breached(self) -> frozenset[str]:
        return frozenset(name for name, is_breached in self._breached.items() if is_breached)
