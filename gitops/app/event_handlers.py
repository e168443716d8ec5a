"""Notifications from other threads: each puts names into the queues of the controller and returns at once.

Not here: the work that the queues run (app.tasks, app.passes).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from gitops.app.image_facts import ImageFacts
from gitops.core.image_updates.changes import Change
from gitops.core.image_updates.events import ConfigPushed, ImageDeleted, ImageScanned
from gitops.core.objects import Key
from gitops.core.ownership.applyset import applyset_of
from gitops.desired.desired_state import DesiredState
from gitops.ports import Leadership, Queue, Task, TermState
from gitops.reconcile.leader_relay import LeaderRelay
from gitops.reconcile.reconciler import Reconciler
from gitops.reconcile.status_writer import StatusWriter
from gitops.reconcile.triggers import Triggers
from gitops.registry_sweep.schedule import SweepSchedule
from gitops.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_SETTLE_SECONDS = 0.03
"""Changes in a cluster come in bunches; one pass sees them all."""


class OverlayQueue:
    """The overlays that wait for a pass. Implements ports.PassQueue."""

    def __init__(self, queue: Queue, desired: DesiredState) -> None:
        self._queue = queue
        self._desired = desired

    def recheck(self, overlays: Collection[str]) -> None:
        self.recheck_known(frozenset(overlays) & self._desired.overlays().keys())

    def recheck_known(self, overlays: Collection[str]) -> None:
        """Adds overlays in the order of the pipeline; overlays that git no longer has come last."""
        order = {name: place for place, name in enumerate(self._desired.overlays())}
        for name in sorted(overlays, key=lambda each: order.get(each, len(order))):
            self._queue.add(name)

    def recheck_all(self) -> None:
        """Adds every overlay that git has."""
        self.recheck_known(self._desired.overlays().keys())


class LiveChanges:
    """Objects in the cluster that changed. Implements ports.LiveListener."""

    def __init__(self, queue: Queue, leadership: Leadership, desired: DesiredState, statuses: StatusWriter) -> None:
        self._queue = queue
        self._leadership = leadership
        self._desired = desired
        self._statuses = statuses

    def object_changed(self, part_of: str, key: Key) -> None:  # noqa: ARG002 - a pass looks at all objects
        if not self._leadership.is_leader():
            return
        known = {*self._desired.overlays(), *self._statuses.known()}
        name = next((each for each in known if applyset_of(each) == part_of), None)
        if name is not None:
            self._queue.add(name, after=_SETTLE_SECONDS)


class CommittedImages:
    """Commits that the committer pushed. Implements ports.CommitListener."""

    def __init__(self, tasks: Queue, relay: LeaderRelay, metrics: Metrics) -> None:
        self._tasks = tasks
        self._relay = relay
        self._metrics = metrics

    def on_commit(self, head: str, changes: Sequence[Change], *, was_blocked: bool) -> None:
        self._metrics.commits.inc(len(changes))
        self._tasks.add(Task.REFRESH)
        if was_blocked:
            self._tasks.add(Task.SWEEP)  # some senders gave up; a sweep finds their images
        self._relay.request_pass(*(change.target.overlay for change in changes))
        _log.info("pushed", revision=head, commits=len(changes))


class ScanAnswers:
    """Answers about scans: a new one may open a gate. Implements ports.AnswerListener."""

    def __init__(self, tasks: Queue) -> None:
        self._tasks = tasks

    def on_answer(self) -> None:
        self._tasks.add(Task.PROMOTE)


class PromoterNews:
    """Pushes and notes of the promoter. Implements ports.PromotionListener."""

    def __init__(self, tasks: Queue, passes: OverlayQueue, reconciler: Reconciler, metrics: Metrics) -> None:
        self._tasks = tasks
        self._passes = passes
        self._reconciler = reconciler
        self._metrics = metrics

    def on_promotion(self, head: str) -> None:  # noqa: ARG002 - "refresh" reads the head
        self._metrics.commits.inc()
        self._tasks.add(Task.REFRESH)

    def head_changed(self, overlays: frozenset[str]) -> None:
        """Rechecks the overlays, and those with violations: a change of another environment may have fixed them."""
        if overlays:
            self._passes.recheck_known(overlays | self._reconciler.breached_overlays())

    def notes_changed(self, overlays: frozenset[str]) -> None:
        self._passes.recheck(overlays)


class LeadershipChanges:
    """The start and the end of this replica's leadership. Implements ports.LeadershipListener."""

    def __init__(self, tasks: Queue, state: Sequence[TermState]) -> None:
        self._tasks = tasks
        self._state = state

    def started_leading(self) -> None:
        self._tasks.add(Task.LEAD)

    def stopped_leading(self) -> None:
        """Clears what passes remember, because the new leader will change it."""
        for state in self._state:
            state.forget()


@dataclass(frozen=True, slots=True)
class OutsideTriggers:
    """Implements ports.WebhookEvents, and takes in requests for a pass."""

    facts: ImageFacts
    sweeps: SweepSchedule
    triggers: Triggers
    relay: LeaderRelay
    desired: DesiredState
    tasks: Queue
    passes: OverlayQueue

    def config_pushed(self, event: ConfigPushed) -> str:
        return self.triggers.config_pushed(event)

    def source_pushed(self, event: ConfigPushed) -> str | None:
        return self.facts.pushes.source_pushed(event)

    def registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        if isinstance(event, ImageScanned):
            self.facts.registries.scans.announced(event)
        else:
            self.sweeps.check_image(event.image, event.digest)
            self.relay.request_pass(*self.desired.overlays())
        return self.triggers.registry_news(event)

    def pass_requested(self, overlay: str) -> None:
        """A person, or a replica that does not lead, asks for a pass. The latter may have heard of a newer head, or
        of news in a registry, and the request does not say which.
        """
        self.facts.registries.scans.outdate()
        self.sweeps.sweep_soon()
        self.passes.recheck_known([overlay])
        self.tasks.add(Task.FETCH)
