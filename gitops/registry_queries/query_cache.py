"""What registries are asked about a digest: asked elsewhere, answered from memory.

A registry may take its time, and the promoter, the page and the committer have none. So whoever asks gets what is known
and never waits; what is not known, or has to be known anew, is asked by a workqueue, once, however many want to know.
What is kept and what may wait is bounded. While a registry does not answer it is asked ever less.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog

from gitops.core.errors import Rejected, Unavailable
from gitops.core.images.reference import Image
from gitops.ports import Registry

_log = structlog.get_logger(__name__)

MOST_WAITING = 1_000
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
_REFUSED_PAUSE = timedelta(minutes=3)

RegistryOf = Callable[[str], Registry | None]
"""The name of an image -> the registry that has it; None when lockstep.yaml knows none for its host."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class QueryAnswer(Generic[_T]):
    """What a registry said at that time; `error` is set where it said nothing of use. It is asked again at `again_at`,
    when anybody wants to know by then; None = never.
    """

    at: datetime
    value: _T | None = None
    error: Rejected | Unavailable | None = None
    again_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """True when it has to be asked again; also for an answer from the future, since a clock was set back."""
        return now < self.at or (self.again_at is not None and now >= self.again_at)


@dataclass(frozen=True, slots=True)
class RegistryQuery(Generic[_T]):
    """`lasts`: after that time the answer is asked for again, None = it never changes; `most`: how many are kept."""

    ask: Callable[[Registry, str, str], _T]
    lasts: timedelta | None
    most: int


@dataclass(frozen=True, slots=True)
class QueryParties:
    """`add` puts a name into the queue that calls `work` with it; `on_answer` is called when something is known that
    was not, or is otherwise than before.
    """

    registry_of: RegistryOf
    add: Callable[[str], None]
    now: Callable[[], datetime]
    on_answer: Callable[[], None]


class QueryCache(Generic[_T]):
    """One kind of question. Thread-safe. Only images with a digest are asked about."""

    def __init__(self, means: QueryParties, question: RegistryQuery[_T]) -> None:
        self._means = means
        self._question = question
        self._known: OrderedDict[str, QueryAnswer[_T]] = OrderedDict()
        self._waiting: set[str] = set()
        self._outdated: set[str] = set()
        self._lock = threading.Lock()

    def of(self, image: Image) -> QueryAnswer[_T] | None:
        """What is known; it is asked for soon where that is nothing, or no longer enough."""
        key, now = f"{image.name}@{image.digest}", self._means.now()
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            is_wanted = (found is None or found.is_due(now)) and key not in self._waiting
            is_new = is_wanted and len(self._waiting) < MOST_WAITING
            if is_new:
                self._waiting.add(key)
        if is_new:
            self._means.add(key)
        return found

    def forget(self, digest: str) -> None:
        """Something was announced of this digest, whatever its image is called: what was said before counts no more,
        nor does an answer that is under way.
        """
        end = f"@{digest}"
        with self._lock:
            for key in [key for key in self._known if key.endswith(end)]:
                del self._known[key]
            self._outdated.update(key for key in self._waiting if key.endswith(end))

    def outdate(self) -> None:
        """Something was announced of nobody knows which digest: as `forget`, for all. While a registry does not answer
        it is asked no more often than before.
        """
        with self._lock:
            for key in [key for key, found in self._known.items() if found.error is None]:
                del self._known[key]
            self._outdated.update(self._waiting)

    def work(self, key: str) -> float | None:
        """Called by the queue: asks once, within the registry's own limits of time. Whatever comes of it, the question
        can be put again.
        """
        with self._lock:
            self._outdated.discard(key)
            before = self._known.get(key)
        answer: QueryAnswer[_T] | None = None
        try:
            answer = self._asked(key, before)
        finally:
            is_outdated = self._took(key, answer)
        if is_outdated:
            return 0.0
        if before is None or _said(before) != _said(answer):
            self._means.on_answer()
        return None

    def _took(self, key: str, answer: QueryAnswer[_T] | None) -> bool:
        """True when the answer came too late, and the question waits on. None: there is none because of a bug."""
        with self._lock:
            if answer is not None and key in self._outdated:
                return True
            self._outdated.discard(key)
            self._waiting.discard(key)
            if answer is not None:
                self._known[key] = answer
                self._known.move_to_end(key)
            while len(self._known) > self._question.most:
                self._known.popitem(last=False)
        return False

    def _asked(self, key: str, before: QueryAnswer[_T] | None) -> QueryAnswer[_T]:
        name, _, digest = key.partition("@")
        registry = self._means.registry_of(name)
        if registry is None:
            return self._without(Rejected("NoRegistry", f"lockstep.yaml knows no registry for {name}"), _REFUSED_PAUSE)
        try:
            value = self._question.ask(registry, name, digest)
        except Rejected as error:
            return self._without(error, _REFUSED_PAUSE)
        except Unavailable as error:
            waited = before.again_at - before.at if before and before.again_at and before.error else None
            pause = min(2 * waited, LONGEST_PAUSE) if waited else FIRST_PAUSE
            return self._without(error, max(pause, timedelta(seconds=min(error.retry_after or 0.0, 3600.0))))
        now, lasts = self._means.now(), self._question.lasts
        return QueryAnswer(now, value, again_at=None if lasts is None else now + lasts)

    def _without(self, error: Rejected | Unavailable, pause: timedelta) -> QueryAnswer[_T]:
        _log.info("a registry did not tell", reason=error.reason, message=str(error))
        now = self._means.now()
        return QueryAnswer(now, error=error, again_at=now + pause)


def _said(answer: QueryAnswer[_T]) -> tuple[_T | None, str]:
    return answer.value, answer.error.reason if answer.error else ""
