"""The work of the queue `overlays`: one timed pass over one overlay, and the reaction to a new status.

Not here: the pass itself (reconcile.reconciler).
"""

from dataclasses import dataclass

import structlog

from gitops.app.event_handlers import OverlayQueue
from gitops.core.errors import Conflict, GitopsError
from gitops.core.sync.summary import Stall
from gitops.desired.desired_state import DesiredState
from gitops.image_updates.committer import Committer
from gitops.ports import Clock, Leadership, Queue, Task
from gitops.reconcile.reconciler import Reconciler
from gitops.reconcile.status_writer import StatusWriter
from gitops.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_STEP_ASIDE_SECONDS = 0.1
"""Seconds that a pass waits while senders wait: their commits would make it run again. Senders give up after 3 s."""
_BUG = Stall("InternalError", "a bug of Lockstep; the controller's log has more. It is tried again")


@dataclass(frozen=True, slots=True)
class PassParties:
    """The parties of a pass over one overlay, and the queues that it may add to."""

    reconciler: Reconciler
    statuses: StatusWriter
    desired: DesiredState
    committer: Committer
    tasks: Queue
    passes: OverlayQueue


class OverlayPasses:
    """Thread-safe for different overlays, as the reconciler is."""

    def __init__(self, parties: PassParties, leadership: Leadership, clock: Clock, metrics: Metrics) -> None:
        self._parties = parties
        self._leadership = leadership
        self._clock = clock
        self._metrics = metrics

    def run(self, name: str) -> float | None:
        """Runs one pass; returns the seconds until the next one. Raises as Reconciler.reconcile does."""
        parties = self._parties
        if not (self._leadership.is_leader() and parties.reconciler.has_recalled):
            return None  # after the task `lead` every overlay is rechecked
        if parties.committer.is_crowded():
            return _STEP_ASIDE_SECONDS
        before = parties.statuses.status(name)
        again = self._reconcile(name)
        if parties.statuses.status(name) is not before:
            parties.tasks.add(Task.PROMOTE)
            parties.passes.recheck_known(
                parties.reconciler.breached_overlays() - {name}
            )  # they are compared with this overlay
        return again

    def _reconcile(self, name: str) -> float | None:
        began = self._clock.monotonic()
        outcome = "bug"
        try:
            again = self._parties.reconciler.reconcile(name)
            outcome = "ok"
        except GitopsError as error:
            outcome = "failed"
            if isinstance(error, Conflict):
                self._parties.tasks.add(Task.REFRESH)  # the head that this pass knew may be an old one
            raise
        finally:
            if outcome == "bug":
                self._report_bug(name)
            self._measure(name, outcome, self._clock.monotonic() - began)
        return again

    def _measure(self, name: str, outcome: str, seconds: float) -> None:
        """Drops the series of an overlay that left git, also while its objects are still in the cluster."""
        status = self._parties.statuses.status(name)
        if name not in self._parties.desired.overlays():
            self._metrics.forget_overlay(name)
        elif self._leadership.is_leader():
            self._metrics.reconcile_seconds.labels(name, outcome).observe(seconds)
            if status is not None:
                self._metrics.status(status)

    def _report_bug(self, name: str) -> None:
        """Replaces the status, because the page must not show one that is older than the last pass."""
        overlay = self._parties.desired.overlays().get(name)
        if overlay is not None:
            self._parties.statuses.report_stopped(name, overlay.environment, _BUG)
