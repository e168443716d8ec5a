"""Sync targets of passes: a reconciler that reads git and the applied revisions, and applies nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gitops.core.ownership.applyset import Parent
from gitops.core.revision import Revision
from gitops.core.sync.sync_target import SyncTarget
from gitops.desired.desired_state import DesiredState
from gitops.reconcile.admission import OverlayAdmission
from gitops.reconcile.pass_memory import OverlayMemory
from gitops.reconcile.reconciler import Reconciler, ReconcilerParties
from tests.worlds.clocks import WorldClock, now
from tests.worlds.ports import Leader

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
        self._recalled: Mapping[str, Revision] | None = None
        self._memories: dict[str, OverlayMemory] = {}
        nothing: Any = _Stored(applied)
        self._reconciler = Reconciler(
            ReconcilerParties(
                desired=desired,
                admission=admission,
                live=nothing,
                parents=nothing,
                reporter=nothing,
                executor=nothing,
                clock=WorldClock(wall),
                leadership=Leader(),
                repo_name=_REPO,
            )
        )

    def target(self, name: str) -> SyncTarget:
        if self._recalled != self._applied:
            self._recalled = dict(self._applied)
            self._reconciler.recall()
        parent = Parent(name, _REPO, applied=self._applied.get(name))
        return self._reconciler.target(parent, self._memories.setdefault(name, OverlayMemory()))

    @property
    def breached(self) -> frozenset[str]:
        return frozenset(name for name, memory in self._memories.items() if memory.is_breached)


class _Stored:
    """The stored parents: the part of the cluster that choosing a target needs."""

    def __init__(self, applied: Mapping[str, Revision]) -> None:
        self._applied = applied

    def read_all(self) -> dict[str, Parent]:
        return {name: Parent(name, _REPO, applied=revision) for name, revision in self._applied.items()}

    def recall(self) -> None:
        """There are no statuses."""
