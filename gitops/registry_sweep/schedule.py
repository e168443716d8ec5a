"""When registries are swept: when this replica starts to lead, then every few minutes, after an outage, and when a
webhook says that something was deleted. Never while senders wait: a sweep has time, and what they push it would find.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Unavailable
from gitops.core.image_updates import changes
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.images.reference import Image
from gitops.core.sync.desired import Desired
from gitops.core.sync.missing_images import MissingImages
from gitops.registry_sweep.image_retention import ImageRetention
from gitops.registry_sweep.sweeper import Sweeper
from gitops.runtime.workqueue import Backoff, Workqueue

_log = structlog.get_logger(__name__)

_STEP_ASIDE_SECONDS = 2.0
_FIRST_RETRY, _LAST_RETRY = 5.0, 300.0
"""Seconds; a registry that asks for more patience (Retry-After) is asked again after the longer one."""
_SOONEST = 60.0
"""Seconds between two sweeps because other replicas have news, however much of it."""
_MOST_WORKERS = 8
_JITTER = 0.2
"""Of the time between two sweeps, so that several installations do not ask at once."""


@dataclass(frozen=True, slots=True)
class SweepTerms:
    """`leads`: whether this replica does; `is_busy`: whether senders wait. `jitter` draws from 0 to 1, `clock` is
    monotonic seconds. `observe(state)` is told how a sweep went.
    """

    leads: Callable[[], bool]
    is_busy: Callable[[], bool]
    pipeline: Callable[[], Pipeline | None]
    jitter: Callable[[], float]
    clock: Callable[[], float]
    observe: Callable[[RegistryState], None]


class SweepSchedule:
    """A queue of names: a registry's host to be swept, or `image@digest` to be asked for. Thread-safe."""

    def __init__(self, sweeper: Sweeper, pullability: ImageRetention, terms: SweepTerms) -> None:
        self.sweeper = sweeper
        self._pullability = pullability
        self._terms = terms
        self._every: dict[str, float] = {}
        self._soon = float("-inf")
        backoff = Backoff(terms.jitter, first=_FIRST_RETRY, most=_LAST_RETRY)
        workers = min(len(sweeper.hosts()) + 1, _MOST_WORKERS)  # a slow registry holds up no other one
        self._queue = Workqueue(backoff=backoff, clock=terms.clock, workers=workers)

    def start(self) -> None:
        self._queue.start(self._run)

    def stop(self, timeout: float) -> bool:
        """Asks for nothing more. True when nothing is under way; what is, writes by compare-and-swap like everybody."""
        self.sweeper.halt()
        stopped = self._queue.stop(timeout)
        self.sweeper.close()
        return stopped

    def depth(self) -> int:
        """Sweeps and questions that wait or run."""
        return self._queue.depth()

    def is_alive(self) -> bool:
        return self._queue.is_alive()

    def look_everywhere(self) -> None:
        """Sweeps every registry now: this replica leads from now on, or an outage is over."""
        for state in self.sweeper.states():
            if state.reason == "RegistryUnknown":
                _log.warning("a registry is not swept", registry=state.host, message=state.message)
        for host in self.sweeper.hosts():
            self._queue.add(host)

    def look_again(self) -> None:
        """Another replica has news, of what is not known here: a sweep soon, and one a minute at most."""
        self._pullability.outdate()
        now = self._terms.clock()
        if self._soon > now:
            return  # a sweep that has not begun yet sees it too
        self._soon = max(now, self._soon + _SOONEST)
        for host in self.sweeper.hosts():
            self._queue.add(host, after=self._soon - now)

    def hurry(self) -> None:
        """Called when there may be a new pipeline: a sweep that it wants more often does not wait for its old time."""
        for state in self.sweeper.states():
            seconds = state.every.total_seconds()
            if seconds < self._every.get(state.host, seconds):
                self._queue.add(state.host)

    def look_at(self, image: str, digest: str) -> None:
        """Somebody says that an image was deleted: whether it is missed is asked of the registry, now. `image`: as the
        registry calls it.
        """
        declared = self._terms.pipeline()
        name = changes.canonical(image, declared) if declared else image
        self._queue.add(f"{name}@{digest}")

    def forget(self) -> None:
        """Called when this replica stops to lead: what it knows grows old."""
        self.sweeper.forget()
        self._pullability.forget()

    def missing(self, desired: Desired) -> MissingImages | None:
        """What of an overlay cannot be pulled any more; None while nobody has looked."""
        return self._pullability.missing(desired)

    def is_absent(self, image: Image) -> bool:
        """Whether its registry is known to have an image no more. Nobody is asked."""
        return self._pullability.is_absent(image)

    def _run(self, name: str) -> float | None:
        if not self._terms.leads():
            return None  # whoever leads looks
        if self._terms.is_busy():
            return _STEP_ASIDE_SECONDS
        image, _, digest = name.partition("@")
        if digest:
            self._pullability.check(image, digest)
            return None
        try:
            self.sweeper.sweep(name)
        except Unavailable as error:
            patience = min(error.retry_after or 0.0, _LAST_RETRY)
            raise Unavailable(error.reason, error.message, retry_after=patience) from error
        finally:
            state = next(each for each in self.sweeper.states() if each.host == name)
            self._every[name] = state.every.total_seconds()
            self._terms.observe(state)
        return state.every.total_seconds() * (1 - _JITTER / 2 + _JITTER * self._terms.jitter())
