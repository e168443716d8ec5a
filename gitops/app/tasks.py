"""The work of the queue `tasks`: everything that concerns the whole config repo, one task for each name.

fetch    asks the remote of the config repo for its head; then refresh
refresh  takes in the head that is known, and looks at the overlays that it may change
lead     reads what the last leader left in the cluster, then looks at every overlay; then refresh
tags     reads the tags of promotion requests and approvals; then refresh
promote  decides what may be promoted, and commits it
tell     asks the replica that leads for a pass over what this one has heard of
sweep    sweeps every registry

Not here: passes over overlays (app.passes), and who adds the names (app.event_handlers).
"""

from dataclasses import dataclass

import structlog

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.ledger import KubernetesLedger
from gitops.adapters.kubernetes.watcher import Watcher
from gitops.app.event_handlers import OutsideTriggers, OverlayQueue
from gitops.app.status_source import ControllerStatus
from gitops.core.errors import Rejected, Unavailable
from gitops.desired.desired_state import DesiredState
from gitops.ports import Clock, Leadership, Queue, Task
from gitops.promotion.promoter import Promoter
from gitops.promotion.proof_recorder import ProofRecorder
from gitops.reconcile.leader_relay import LeaderRelay
from gitops.reconcile.reconciler import Reconciler
from gitops.reconcile.triggers import Triggers
from gitops.registry_sweep.schedule import SweepSchedule

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TaskParties:
    """The parties of the tasks. `repo_name` names the config repo in the cluster; `tasks` is the tasks' own queue."""

    repo: GitConfigRepo
    repo_name: str
    desired: DesiredState
    ledger: KubernetesLedger
    reconciler: Reconciler
    recorder: ProofRecorder
    promoter: Promoter
    sweeps: SweepSchedule
    relay: LeaderRelay
    triggers: Triggers
    watcher: Watcher
    status: ControllerStatus
    news: OutsideTriggers
    tasks: Queue
    passes: OverlayQueue


class Tasks:
    """Thread-safe: the queue runs different tasks at once."""

    def __init__(self, parties: TaskParties, leadership: Leadership, clock: Clock) -> None:
        self._parties = parties
        self._leadership = leadership
        self._clock = clock

    def run(self, name: str) -> float | None:
        """Runs one task; returns after how many seconds it wants to run again.

        Raises: Unavailable, Conflict, Rejected when it is to run again with backoff; ValueError if no task has this
        name.
        """
        parties = self._parties
        match Task(name):
            case Task.FETCH:
                self.fetch()
                self.refresh()
            case Task.REFRESH:
                self.refresh()
            case Task.LEAD:
                self.lead()
                self.refresh()
            case Task.TAGS:
                self.tags()
                self.refresh()
            case Task.PROMOTE:
                return parties.promoter.promote_all()
            case Task.TELL:
                parties.relay.deliver()
            case Task.SWEEP:
                parties.sweeps.sweep_all()
        return None

    def fetch(self) -> None:
        try:
            self._parties.repo.fetch()
        except (Unavailable, Rejected) as error:
            self._parties.status.remote_failed(error, self._clock.now())
            raise
        if self._parties.status.remote_answered():
            self._parties.sweeps.sweep_all()
        self._parties.tasks.add(Task.TAGS)

    def refresh(self) -> None:
        parties = self._parties
        touched = parties.desired.refresh()
        parties.status.note_head(parties.desired.head(), self._clock.now())
        parties.sweeps.hurry()
        if touched:
            _log.info("head", revision=parties.desired.head(), overlays=len(touched))
        if touched and self._leadership.is_leader():
            parties.passes.recheck_known(touched | parties.reconciler.breached_overlays())
            parties.tasks.add(Task.PROMOTE)
        parties.triggers.take_in()

    def lead(self) -> None:
        """Does nothing when the leadership ended before the task ran."""
        parties = self._parties
        if not self._leadership.is_leader():
            return
        if not parties.repo.head():
            raise Unavailable("NoHead", "the config repo was not fetched yet")
        parties.ledger.forget()
        parties.recorder.recall()
        parties.reconciler.recall()
        self.refresh()
        parties.watcher.watch_requests(parties.repo_name, parties.news)
        parties.passes.recheck_known(parties.reconciler.known_overlays())
        parties.tasks.add(Task.TAGS)
        parties.sweeps.sweep_all()

    def tags(self) -> None:
        if self._leadership.is_leader():
            self._parties.promoter.read_tags()
            self._parties.tasks.add(Task.PROMOTE)
