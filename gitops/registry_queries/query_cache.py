"""Answers of registries about digests: asked in the background, returned from memory.

A registry may take its time, and the promoter, the page and the committer have none. So a caller gets what is known and
never waits. What is unknown or outdated is asked by a workqueue, once, however many callers want it. The number of kept
answers and of waiting questions is bounded. A registry that does not answer is asked after ever longer pauses.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import structlog
from cachetools import LRUCache

from gitops.core import backoff
from gitops.core.errors import Rejected, Unavailable
from gitops.core.image_updates import sweep
from gitops.core.images.reference import Image
from gitops.ports import AnswerListener, Clock, Queue, Registry

_log = structlog.get_logger(__name__)

MOST_WAITING = 1_000
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
_REFUSED_PAUSE = timedelta(minutes=3)
_LONGEST_PATIENCE = timedelta(hours=1)
"""A registry that asks for more (Retry-After) is asked again after this."""

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class QueryAnswer(Generic[_T]):
    """The answer of a registry at that time; `error` is set when it gave none. It is asked again at `again_at`, if a
    caller wants the answer by then; None = never.
    """

    at: datetime
    value: _T | None = None
    error: Rejected | Unavailable | None = None
    again_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """True when it is to be asked again; also for an answer from the future, since a clock was set back."""
        return now < self.at or (self.again_at is not None and now >= self.again_at)


class RegistryQuery(Protocol[_T_co]):
    """One kind of question. `lasts`: after that time the answer is asked for again, None = it never changes; `most`:
    how many answers are kept.
    """

    @property
    def lasts(self) -> timedelta | None: ...

    @property
    def most(self) -> int: ...

    def ask(self, registry: Registry, image: str, digest: str) -> _T_co:
        """Raises as Registry does."""


class KnownRegistries:
    """The registries of lockstep.yaml, by the host that manifests name."""

    def __init__(self, by_host: Mapping[str, Registry]) -> None:
        self._by_host = by_host

    def of(self, image: str) -> Registry | None:
        """The registry that has an image; None when lockstep.yaml knows none for its host."""
        return self._by_host.get(sweep.host_of(image))


@dataclass(frozen=True, slots=True)
class QueryParties:
    """`queue` calls `work` with the names that are added to it; `listener` learns of answers that are new or changed,
    None = no party wants to.
    """

    registries: KnownRegistries
    queue: Queue
    clock: Clock
    listener: AnswerListener | None = None


class QueryCache(Generic[_T]):
    """One kind of question. Thread-safe. Only images with a digest are asked about."""

    def __init__(self, parties: QueryParties, query: RegistryQuery[_T]) -> None:
        self._parties = parties
        self._query = query
        self._known: LRUCache[str, QueryAnswer[_T]] = LRUCache(query.most)
        self._waiting: set[str] = set()
        self._outdated: set[str] = set()
        self._lock = threading.Lock()

    def of(self, image: Image) -> QueryAnswer[_T] | None:
        """The known answer. Without one, or with an outdated one, the registry is asked soon."""
        key, now = f"{image.name}@{image.digest}", self._parties.clock.now()
        with self._lock:
            found = self._known.get(key)
            is_wanted = (found is None or found.is_due(now)) and key not in self._waiting
            is_new = is_wanted and len(self._waiting) < MOST_WAITING
            if is_new:
                self._waiting.add(key)
        if is_new:
            self._parties.queue.add(key)
        return found

    def forget(self, digest: str) -> None:
        """Drops earlier answers about this digest, under any image name, because a registry announced news of it. An
        answer in progress is asked for once more.
        """
        end = f"@{digest}"
        with self._lock:
            for key in [key for key in self._known if key.endswith(end)]:
                del self._known[key]
            self._outdated.update(key for key in self._waiting if key.endswith(end))

    def outdate(self) -> None:
        """Does the same as `forget` for all digests: a registry announced news of an unknown one. Errors are kept,
        so that a registry that does not answer is asked no more often than before.
        """
        with self._lock:
            for key in [key for key, found in self._known.items() if found.error is None]:
                del self._known[key]
            self._outdated.update(self._waiting)

    def work(self, key: str) -> float | None:
        """Asks once, within the registry's own limits of time; the queue calls it. Returns 0.0 when the answer was
        outdated on arrival. After any error the question may be queued again.
        """
        with self._lock:
            self._outdated.discard(key)
            before = self._known.get(key)
        answer: QueryAnswer[_T] | None = None
        try:
            answer = self._ask(key, before)
        finally:
            is_outdated = self._keep(key, answer)
        if is_outdated:
            return 0.0
        if self._parties.listener is not None and (before is None or _essence(before) != _essence(answer)):
            self._parties.listener.on_answer()
        return None

    def _keep(self, key: str, answer: QueryAnswer[_T] | None) -> bool:
        """True if the answer was outdated on arrival, so the registry is asked again. `answer` None: a bug."""
        with self._lock:
            if answer is not None and key in self._outdated:
                return True
            self._outdated.discard(key)
            self._waiting.discard(key)
            if answer is not None:
                self._known[key] = answer
        return False

    def _ask(self, key: str, before: QueryAnswer[_T] | None) -> QueryAnswer[_T]:
        name, _, digest = key.partition("@")
        registry = self._parties.registries.of(name)
        if registry is None:
            return self._fail(Rejected("NoRegistry", f"lockstep.yaml knows no registry for {name}"), _REFUSED_PAUSE)
        try:
            value = self._query.ask(registry, name, digest)
        except Rejected as error:
            return self._fail(error, _REFUSED_PAUSE)
        except Unavailable as error:
            return self._fail(error, _pause(before, error.retry_after))
        now, lasts = self._parties.clock.now(), self._query.lasts
        return QueryAnswer(now, value, again_at=None if lasts is None else now + lasts)

    def _fail(self, error: Rejected | Unavailable, pause: timedelta) -> QueryAnswer[_T]:
        _log.info("a registry gave no answer", reason=error.reason, message=str(error))
        now = self._parties.clock.now()
        return QueryAnswer(now, error=error, again_at=now + pause)


def _pause(before: QueryAnswer[_T] | None, retry_after: float | None) -> timedelta:
    """The pause after an unavailable registry: the double of the pause before, also if the registry had asked for that
    pause or had refused.
    """
    waited = before.again_at - before.at if before and before.error and before.again_at else timedelta(0)
    first, longest = FIRST_PAUSE.total_seconds(), LONGEST_PAUSE.total_seconds()
    seconds = backoff.longer(waited.total_seconds(), first=first, longest=longest)
    patience = min(retry_after or 0.0, _LONGEST_PATIENCE.total_seconds())
    return timedelta(seconds=max(seconds, patience))


def _essence(answer: QueryAnswer[_T]) -> tuple[_T | None, str]:
    return answer.value, answer.error.reason if answer.error else ""
