"""The write path: pushed images wait in an inbox until the commits that they cause are on the remote.

One thread drains everything that waits, decides each event against the head it is about to edit, and pushes all
commits at once. There is no queue on disk: a sender gets its 2xx only when the commit is on the remote, and until then
it sends again. Nothing is fetched before a batch that commits: the push is a compare-and-swap, so its success proves
that the decisions were made on the newest head. A batch without commits proves nothing, so it fetches.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import structlog

from gitops.core import backoff
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable
from gitops.core.image_updates.changes import one_line
from gitops.core.image_updates.events import Event, ImagePushed
from gitops.image_updates.batch import BatchCache, EventOutcome, ImageBatch, ImageSources
from gitops.ports import Clock, CommitListener, ConfigRepo

_log = structlog.get_logger(__name__)

_PATIENT_CONFLICTS = 3
_FIRST_RACE, _LONGEST_RACE = 0.32, 1.0
"""Seconds between tries when other writers keep moving the trunk."""
_MANY = 50
_LONGEST_CROWD = 3.0
_BETWEEN_FETCHES = 0.15
"""Seconds. A batch that commits nothing costs a fetch all the same; what comes meanwhile can share the next one."""


@dataclass(frozen=True, slots=True)
class CommitterParties:
    """`listener` learns of each push, from the committer's thread. `randomness` spreads the retries of replicas."""

    repo: ConfigRepo
    sources: ImageSources
    listener: CommitListener
    clock: Clock
    randomness: Random


@dataclass(frozen=True, slots=True)
class CommitPace:
    """At most `most_events` may wait. After a failure the next try is `first_retry` seconds later, doubled each time up
    to `last_retry`.
    """

    most_events: int = 10_000
    first_retry: float = 0.2
    last_retry: float = 30.0


@dataclass(frozen=True, slots=True)
class CommitTrouble:
    """The reason why commits do not reach the remote, and since when."""

    reason: str
    message: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.reason} since {self.since.isoformat(timespec='seconds')}: {self.message}"


@dataclass(slots=True)
class _Delivery:
    """A sender that waits. `error` is set instead of `answers` when the events could not be settled in time."""

    events: Sequence[Event]
    cause: str
    answers: list[str] = field(default_factory=list)
    error: Unavailable | None = None
    settled: threading.Event = field(default_factory=threading.Event)


class Committer:
    """Implements ports.Inbox and ports.Loop."""

    def __init__(self, parties: CommitterParties, pace: CommitPace | None = None) -> None:
        self._repo = parties.repo
        self._clock = parties.clock
        self._parties = parties
        self._pace = pace or CommitPace()
        self._cache = BatchCache()
        self._changed = threading.Condition()
        self._inbox: list[_Delivery] = []
        self._batch: list[_Delivery] = []
        self._waiting = 0
        self._crowded_since: float | None = None
        self._stopping = False
        self._trouble: CommitTrouble | None = None
        self._next_try = 0.0
        self._rests_until = 0.0
        self._seconds_per_batch = 0.0
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Takes no more deliveries and waits for the present batch, `timeout` seconds at most; the rest is answered
        with Unavailable, so that its sender sends again. True when no delivery was abandoned.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        with self._changed:
            rest = [delivery for delivery in (*self._batch, *self._inbox) if not delivery.settled.is_set()]
        self._fail(rest, Unavailable("Stopping", "the controller is stopping: send the event again"))
        return not rest

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def trouble(self) -> CommitTrouble | None:
        """The reason why commits do not reach the remote now; None if they do."""
        return self._trouble

    @property
    def waiting(self) -> int:
        """The number of events that are not settled yet, also those whose sender was asked to send again."""
        return self._waiting

    def is_crowded(self) -> bool:
        """True while many events wait, for a few seconds at most: meanwhile other work should let them go first."""
        if self._waiting < _MANY:
            self._crowded_since = None
            return False
        now = self._clock.monotonic()
        since = self._crowded_since
        if since is None:
            self._crowded_since = since = now
        return now - since < _LONGEST_CROWD

    # -- ports.Inbox

    def accept(self, events: Sequence[Event], *, delivery: str, deadline: float, cause: str = "") -> Sequence[str]:
        waiting = _Delivery(events, cause or f"registry push, delivery {one_line(delivery)}")
        self._enqueue(waiting, deadline)
        if not waiting.settled.wait(deadline):
            waiting.settled.set()
            raise Unavailable(
                "DeadlineExceeded", "not committed in time; it still will be if the remote allows", retry_after=15
            )
        if waiting.error is not None:
            raise waiting.error
        return waiting.answers

    def _enqueue(self, delivery: _Delivery, deadline: float) -> None:
        """Takes the delivery if there is room. Raises: Unavailable at once when it has no chance to be in time; it is
        worked on all the same, without a sender that waits, so that its repetitions cost nothing.
        """
        with self._changed:
            if self._stopping:
                raise Unavailable("Stopping", "the controller is stopping: send the event again")
            if self._waiting + len(delivery.events) > self._pace.most_events:
                raise Unavailable("QueueFull", f"{self._pace.most_events} events wait already", retry_after=15)
            self._inbox.append(delivery)
            self._waiting += len(delivery.events)
            trouble, late = self._trouble, self._estimate_wait() - deadline
            if late > 0:
                delivery.settled.set()
            self._changed.notify_all()
        if late > 0:
            why = f"; {trouble}" if trouble else ""
            raise Unavailable("QueueTooLong", f"cannot be committed within the deadline{why}", retry_after=late + 15)

    def _estimate_wait(self) -> float:
        """Seconds until a delivery that comes now is settled: the next try, the present batch, and its own batch."""
        pause = max(0.0, self._next_try - self._clock.monotonic()) if self._trouble else 0.0
        return pause + self._seconds_per_batch * (2 if self._batch else 0)

    # -- the thread

    def _run(self) -> None:
        while self._await_work():
            try:
                self._settle()
            except Exception:  # noqa: BLE001 - see below
                # Without this thread every sender would wait for ever: they get an error, and the thread goes on.
                _log.exception("batch failed")
                self._fail(self._take_batch(), _bug())

    def _await_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._inbox or self._stopping)
            return bool(self._inbox)

    def _settle(self) -> None:
        """Tries until everything that waits is on the remote, or decided to need no commit."""
        attempt = 0
        self._rest()
        while True:
            batch = self._grow_batch()
            started = self._clock.monotonic()
            try:
                has_committed = self._commit(
                    batch, self._repo.fetch() if attempt else self._repo.head(), is_fresh=attempt > 0
                )
            except GitopsError as error:
                attempt += 1
                self._note(error, attempt)
                if not self._pause(error, attempt):
                    return
            else:
                self._trouble = None
                self._rests_until = started if has_committed else started + _BETWEEN_FETCHES
                self._seconds_per_batch = 0.7 * self._seconds_per_batch + 0.3 * (self._clock.monotonic() - started)
                self._take_batch()
                return

    def _rest(self) -> None:
        """Waits a little after a batch without commits: deliveries that change nothing would keep git busy."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, max(0.0, self._rests_until - self._clock.monotonic()))

    def _commit(self, batch: Sequence[_Delivery], head: str, *, is_fresh: bool) -> bool:
        """True when there was something to commit."""
        while True:
            images = ImageBatch(self._repo, head, self._parties.sources, self._cache)
            now = self._clock.now()
            outcomes = self._decide(images, batch, now)
            batch = [each for each, _ in outcomes]
            commits, changes = images.commits()
            if commits or is_fresh or head == (head := self._repo.fetch()):
                break
            is_fresh = True
        if commits:
            head = self._repo.commit(head, commits)
            images.committed(head, changes)
            _log.info("committed", revision=head, commits=len(commits), deliveries=len(batch))
        for delivery, taken in outcomes:
            answers = iter(images.sentence(each, head) for each in taken)
            delivery.answers = [
                next(answers) if isinstance(event, ImagePushed) else "asks for no commit" for event in delivery.events
            ]
            delivery.settled.set()
        if commits:
            self._parties.listener.on_commit(head, changes, was_blocked=self._trouble is not None)
        return bool(commits)

    def _decide(
        self, images: ImageBatch, batch: Sequence[_Delivery], now: datetime
    ) -> list[tuple[_Delivery, list[tuple[EventOutcome, ...]]]]:
        """The outcomes of each image. A delivery that runs into a bug is answered and leaves the batch: it would block
        all others, and its sender sends it again.
        """
        decided = []
        for each in batch:
            try:
                decided.append((each, [images.take(event, each.cause, now) for event in _images(each)]))
            except GitopsError:
                raise
            except Exception:  # noqa: BLE001 - see the docstring
                _log.exception("delivery failed", cause=each.cause)
                self._drop(each)
                self._fail([each], _bug())
        return decided

    def _drop(self, delivery: _Delivery) -> None:
        with self._changed:
            self._batch = [each for each in self._batch if each is not delivery]
            self._waiting -= len(delivery.events)

    def _note(self, error: GitopsError, attempt: int) -> None:
        """Keeps the trouble for the page; when the git host refuses the push, waiting senders get the error at once."""
        if isinstance(error, Conflict):
            if attempt > _PATIENT_CONFLICTS:
                _log.info("trunk moved", attempt=attempt, reason=error.reason)
            return
        since = self._trouble.since if self._trouble else self._clock.now()
        self._trouble = CommitTrouble(error.reason, error.message, since)
        _log.warning("cannot commit", reason=error.reason, message=error.message, attempt=attempt)
        if isinstance(error, Rejected):
            self._fail(self._batch, Unavailable(error.reason, error.message, retry_after=60))

    def _pause(self, error: GitopsError, attempt: int) -> bool:
        """Waits before the next try; False when the committer is to stop. The first lost races wait for nothing."""
        if isinstance(error, Conflict):
            lost = attempt - _PATIENT_CONFLICTS
            delay = backoff.pause(lost, first=_FIRST_RACE, longest=_LONGEST_RACE) if lost > 0 else 0.0
        else:
            delay = backoff.pause(attempt, first=self._pace.first_retry, longest=self._pace.last_retry)
        delay *= 0.5 + self._parties.randomness.random() / 2
        self._next_try = self._clock.monotonic() + delay
        with self._changed:
            return not self._changed.wait_for(lambda: self._stopping, delay)

    def _grow_batch(self) -> list[_Delivery]:
        """Everything that waits. Events without a waiting sender are kept once, however often they were repeated."""
        with self._changed:
            seen: set[Event] = set()
            grown = []
            for delivery in (*self._batch, *self._inbox):
                if not (delivery.settled.is_set() and seen.issuperset(delivery.events)):
                    seen.update(delivery.events)
                    grown.append(delivery)
            self._batch, self._inbox = grown, []
            self._waiting = _count(grown)
            return list(grown)

    def _take_batch(self) -> list[_Delivery]:
        with self._changed:
            batch, self._batch = self._batch, []
            self._waiting = _count(self._inbox)
            return batch

    def _fail(self, deliveries: Sequence[_Delivery], error: Unavailable) -> None:
        for delivery in deliveries:
            if not delivery.settled.is_set():
                delivery.error = error
                delivery.settled.set()


def _bug() -> Unavailable:
    return Unavailable("InternalError", "the events could not be decided: see the controller's log")


def _count(deliveries: Sequence[_Delivery]) -> int:
    return sum(len(delivery.events) for delivery in deliveries)


def _images(delivery: _Delivery) -> list[ImagePushed]:
    return [event for event in delivery.events if isinstance(event, ImagePushed)]
