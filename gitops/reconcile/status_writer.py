"""Keeps the status of every overlay and writes it to the ledger: at once when it matters, else every few seconds.

During a rollout the message changes with every pod, so it may be late. Sync, health and reason, on which people and
other tools act, are never late.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import structlog

from gitops.core.errors import GitopsError
from gitops.core.health import Health
from gitops.core.ownership.applyset import Parent
from gitops.core.sync import summary
from gitops.core.sync.status import Action, Sync, SyncStatus
from gitops.core.sync.summary import PassResults, Stall
from gitops.ports import Clock, EventRecorder, Ledger

_log = structlog.get_logger(__name__)

WRITE_EVERY = 2.0
"""Seconds between two writes of one overlay's status when only a message changed."""


class StatusWriter:
    """Thread-safe for different overlays."""

    def __init__(self, ledger: Ledger, events: EventRecorder, clock: Clock) -> None:
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self._statuses: dict[str, SyncStatus] = {}
        self._written_at: dict[str, float] = {}
        self._unwritten: set[str] = set()
        self._unrecorded: dict[str, dict[str, int]] = {}

    def recall(self) -> None:
        """Reads what the ledger holds: called when this replica starts to lead."""
        self._statuses = {name: status for name, (status, _) in self._ledger.read_all().items()}
        self._unwritten.clear()

    def status(self, overlay: str) -> SyncStatus | None:
        """The overlay's status as of its last pass."""
        return self._statuses.get(overlay)

    def known(self) -> Collection[str]:
        """The overlays that have a status, also those that git no longer has."""
        return tuple(self._statuses)

    def report(self, results: PassResults, done: Mapping[str, int]) -> SyncStatus:
        """Sums up one pass. `done`: how many objects it created, configured, pruned, failed (summary.actions).

        Raises: as Ledger.write does.
        """
        previous = self._statuses.get(results.overlay)
        status = summary.summarise(results, previous, self._clock.now())
        self._keep(status, previous, done)
        return status

    def report_stopped(self, overlay: str, environment: str, stall: Stall) -> None:
        """Reports a pass that ended before it compared anything: the status of the objects stays, with the reason."""
        previous = self._statuses.get(overlay)
        known = previous or SyncStatus(overlay, environment, Sync.UNKNOWN, Health.UNKNOWN, self._clock.now())
        at = known.revisions
        results = PassResults(
            overlay=overlay,
            environment=environment,
            target=at.observed,
            rendered=at.rendered,
            applied=at.applied,
            objects=known.objects,
            images=known.images,
            stall=stall,
            waiting=known.waiting,
            requests=known.requests,
            waived=known.waived,
            warnings=known.warnings,
        )
        try:
            self.report(results, {})
        except GitopsError as error:
            _log.info("status not stored", overlay=overlay, reason=error.reason)

    def report_orphan(self, overlay: str, parent: Parent | None) -> None:
        """Reports an overlay that git no longer has: its objects stay, and its status says so, until it is taken down
        and has no `parent` any more.
        """
        previous = self._statuses.get(overlay)
        if parent is None:
            self._ledger.remove(overlay)
            self._statuses.pop(overlay, None)
        if previous is None or parent is None:
            return
        count = len(parent.members)
        stall = Stall("Orphaned", f"no longer in git; its {count} objects stay, `lockstep down {overlay}` removes them")
        objects = tuple(replace(status, action=Action.UNCHANGED) for status in previous.objects)
        self.report(PassResults(overlay, previous.environment, None, None, parent.applied, objects, stall=stall), {})

    def is_late(self, overlay: str) -> bool:
        """True when the ledger does not have the newest message yet: ask for another pass in WRITE_EVERY seconds."""
        return overlay in self._unwritten

    def _keep(self, status: SyncStatus, previous: SyncStatus | None, done: Mapping[str, int]) -> None:
        name, now = status.overlay, self._clock.monotonic()
        done = self._unrecorded[name] = _add(self._unrecorded.get(name, {}), done)
        line = summary.record(previous, status, done)
        if status is not previous:
            self._unwritten.add(name)
        due = now - self._written_at.get(name, float("-inf")) >= WRITE_EVERY
        if line is not None or (name in self._unwritten and due):
            self._ledger.write(status, line)
            self._written_at[name] = now
            self._unrecorded.pop(name, None)
            self._unwritten.discard(name)
        self._statuses[name] = status
        if line is not None:
            self._events.announce(name, line)
            _log.info("status", sync=str(status.sync), health=str(status.health), reason=line.reason)


def _add(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {action: one.get(action, 0) + other.get(action, 0) for action in {*one, *other}}
