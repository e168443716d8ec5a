"""The schedule of registry sweeps: when this replica starts to lead, then every few minutes, after an outage, and when
a webhook reports a deleted image. Sweeps are postponed while many senders wait, because they find the same images.
"""

from dataclasses import dataclass
from random import Random

import structlog

from gitops.core.errors import Unavailable
from gitops.core.image_updates import changes
from gitops.ports import Backlog, Clock, ConfigHead, Leadership, SweepObserver
from gitops.registry_sweep.image_retention import ImageRetention
from gitops.registry_sweep.sweeper import Sweeper
from gitops.runtime.workqueue import Backoff, Workqueue

_log = structlog.get_logger(__name__)

_STEP_ASIDE_SECONDS = 2.0
_FIRST_RETRY, _LAST_RETRY = 5.0, 300.0
"""Seconds; a registry that asks for more (Retry-After) is asked again after the longer one at most."""
_SOONEST = 60.0
"""Seconds between two sweeps that news of other replicas cause, however much news there is."""
_MOST_WORKERS = 8
_JITTER = 0.2
"""Part of the time between two sweeps, so that several installations do not ask at once."""
_MANY_SENDERS = 20
"""Sweeps are postponed from this number of waiting senders on: a sweep would only find the images that they report."""


@dataclass(frozen=True, slots=True)
class SweepTerms:
    """`backlog`: sweeps step aside while many senders wait. `randomness` spreads the sweeps of installations."""

    leadership: Leadership
    backlog: Backlog
    head: ConfigHead
    clock: Clock
    randomness: Random
    observer: SweepObserver


class SweepSchedule:
    """A queue of names: a registry's host to be swept, or `image@digest` to be asked for. Implements ports.Loop and
    ports.TermState. Thread-safe.
    """

    def __init__(self, sweeper: Sweeper, retention: ImageRetention, terms: SweepTerms) -> None:
        self.sweeper = sweeper
        self._retention = retention
        self._terms = terms
        self._every: dict[str, float] = {}
        self._soon = float("-inf")
        backoff = Backoff(terms.randomness.random, first=_FIRST_RETRY, most=_LAST_RETRY)
        workers = min(len(sweeper.hosts()) + 1, _MOST_WORKERS)  # a slow registry holds up no other one
        self._queue = Workqueue(backoff=backoff, clock=terms.clock.monotonic, workers=workers)

    def start(self) -> None:
        self._queue.start(self._run)

    def stop(self, timeout: float) -> bool:
        """Starts no more sweeps. True when none is under way; one that is, writes by compare-and-swap as ever."""
        self.sweeper.halt()
        stopped = self._queue.stop(timeout)
        self.sweeper.close()
        return stopped

    def depth(self) -> int:
        """Sweeps and questions that wait or run."""
        return self._queue.depth()

    def is_alive(self) -> bool:
        return self._queue.is_alive()

    def sweep_all(self) -> None:
        """Sweeps every registry now: this replica leads from now on, or an outage is over."""
        for state in self.sweeper.states():
            if state.reason == "RegistryUnknown":
                _log.warning("a registry is not swept", registry=state.host, message=state.message)
        for host in self.sweeper.hosts():
            self._queue.add(host)

    def sweep_soon(self) -> None:
        """Sweeps soon, at most once a minute, because another replica has news that is not known here."""
        self._retention.outdate()
        now = self._terms.clock.monotonic()
        if self._soon > now:
            return  # a sweep that has not begun yet sees it too
        self._soon = max(now, self._soon + _SOONEST)
        for host in self.sweeper.hosts():
            self._queue.add(host, after=self._soon - now)

    def hurry(self) -> None:
        """Called after a change of the head. A shorter interval in the new pipeline.yaml takes effect at once."""
        for state in self.sweeper.states():
            seconds = state.every.total_seconds()
            if seconds < self._every.get(state.host, seconds):
                self._queue.add(state.host)

    def check_image(self, image: str, digest: str) -> None:
        """Asks the registry now about a deleted image, if an overlay needs it. `image`: the name in the registry."""
        declared = self._terms.head.pipeline()
        name = changes.canonical(image, declared) if declared else image
        self._queue.add(f"{name}@{digest}")

    def forget(self) -> None:
        """Drops all results, because they become outdated when this replica stops to lead."""
        self.sweeper.forget()
        self._retention.forget()

    def _run(self, name: str) -> float | None:
        if not self._terms.leadership.is_leader():
            return None  # the leader looks
        if self._terms.backlog.waiting >= _MANY_SENDERS:
            return _STEP_ASIDE_SECONDS
        image, _, digest = name.partition("@")
        if digest:
            self._retention.check(image, digest)
            return None
        try:
            self.sweeper.sweep(name)
        except Unavailable as error:
            patience = min(error.retry_after or 0.0, _LAST_RETRY)
            raise Unavailable(error.reason, error.message, retry_after=patience) from error
        finally:
            state = next(each for each in self.sweeper.states() if each.host == name)
            self._every[name] = state.every.total_seconds()
            self._terms.observer.on_sweep(state)
        return state.every.total_seconds() * (1 - _JITTER / 2 + _JITTER * self._terms.randomness.random())
