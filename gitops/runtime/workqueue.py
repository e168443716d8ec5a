"""A keyed workqueue: "reconcile X again", level-triggered, with backoff. It carries names only, never events.

A name that is added while its pass runs gets exactly one more pass afterwards; a name that is added while it waits gets
one pass. Passes of one name never overlap. The contract is controller-runtime's
(https://pkg.go.dev/k8s.io/client-go/util/workqueue and pkg/reconcile/reconcile.go).
"""

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gitops.core.backoff import pause
from gitops.core.errors import Conflict, Rejected, Unavailable

_STUCK = 3600.0

_log = structlog.get_logger(__name__)

Pass = Callable[[str], float | None]
"""One pass over one name. Returns the seconds after which the name runs again, or None."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before the n-th retry (n from 1): doubling from `first` to `most`, plus up to a fifth of jitter.

    `jitter` returns a number in [0, 1), so that the randomness is an argument.
    """

    jitter: Callable[[], float]
    first: float = 0.5
    most: float = 300.0

    def seconds(self, failures: int) -> float:
        return pause(failures, first=self.first, longest=self.most) * (1 + self.jitter() / 5)


@dataclass(slots=True)
class _State:
    """The state that the condition guards. `due` holds the earliest time of each waiting name; heap entries with
    another time are stale and skipped. `running` holds the start of each running pass.
    """

    heap: list[tuple[float, int, str]] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    sequence: int = 0
    stopped: bool = False


class Workqueue:
    """Implements ports.Queue. Names can be added before start(); the workers run from start() to stop(). `clock` is
    monotonic seconds. Thread-safe.
    """

    def __init__(self, *, backoff: Backoff, clock: Callable[[], float], workers: int = 4) -> None:
        self._backoff = backoff
        self._clock = clock
        self._state = _State()
        self._changed = threading.Condition()
        self._workers = workers
        self._threads: list[threading.Thread] = []

    def start(self, run: Pass) -> None:
        """Starts the workers; `run` makes one pass."""
        self._threads = [
            threading.Thread(target=self._work, args=(run,), name=f"workqueue-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Starts no more passes and waits at most `timeout` seconds for running ones. True if none runs any more."""
        with self._changed:
            self._state.stopped = True
            self._changed.notify_all()
        deadline = self._clock() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._clock()))
        return not any(thread.is_alive() for thread in self._threads)

    def add(self, name: str, *, after: float = 0.0) -> None:
        """Runs `name` in `after` seconds, or earlier if it is due earlier already."""
        with self._changed:
            due = self._clock() + after
            if due >= self._state.due.get(name, float("inf")):
                return
            self._state.due[name] = due
            self._state.sequence += 1
            heapq.heappush(self._state.heap, (due, self._state.sequence, name))
            self._changed.notify()

    def depth(self) -> int:
        """The number of names that wait or run."""
        with self._changed:
            return len(self._state.due.keys() | self._state.running.keys())

    def is_idle(self) -> bool:
        """True if no pass runs and no name is due now: the waiting names are due in the future."""
        with self._changed:
            now = self._clock()
            return not self._state.running and all(due > now for due in self._state.due.values())

    def is_alive(self) -> bool:
        """True while no worker has ended and none has been in one pass for an hour."""
        with self._changed:
            now = self._clock()
            stuck = any(now - since > _STUCK for since in self._state.running.values())
        return not stuck and bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def _work(self, run: Pass) -> None:
        while (name := self._take()) is not None:
            again = self._run_once(run, name)
            with self._changed:
                self._state.running.pop(name, None)
                self._changed.notify_all()
            if again is not None:
                self.add(name, after=again)

    def _take(self) -> str | None:
        """Waits for the next due name that is not running; None when stopped."""
        with self._changed:
            while not self._state.stopped:
                name, wait = self._next()
                if name is not None:
                    self._state.running[name] = self._clock()
                    return name
                self._changed.wait(wait)
            return None

    def _next(self) -> tuple[str | None, float | None]:
        """Pops the first due name that is not running; else returns the seconds until the next one may be due."""
        state, now = self._state, self._clock()
        blocked = []
        found: tuple[str | None, float | None] = (None, None)
        while state.heap:
            due, sequence, name = state.heap[0]
            if state.due.get(name) != due:
                heapq.heappop(state.heap)
            elif due > now:
                found = (None, due - now)
                break
            else:
                heapq.heappop(state.heap)
                if name in state.running:
                    blocked.append((due, sequence, name))
                    continue
                del state.due[name]
                found = (name, None)
                break
        for entry in blocked:
            heapq.heappush(state.heap, entry)
        return found

    def _run_once(self, run: Pass, name: str) -> float | None:
        """Makes one pass. Only this place catches every exception: a bug in one pass must not end the others."""
        try:
            again = run(name)
        except Conflict as moved:
            _log.info("base moved, looking again", name=name, reason=moved.reason)
            return self._count_failure(name, None)
        except Unavailable as gone:
            _log.warning("not available, trying again", name=name, reason=gone.reason, message=gone.message)
            return self._count_failure(name, gone.retry_after)
        except Rejected as wrong:
            _log.warning("refused", name=name, reason=wrong.reason, message=str(wrong))
            return self._count_failure(name, None)
        except Exception:  # noqa: BLE001 - the one place, see the docstring
            _log.exception("a pass ended with a bug", name=name)
            return self._count_failure(name, None)
        self._state.failures.pop(name, None)
        return again

    def _count_failure(self, name: str, retry_after: float | None) -> float:
        failures = self._state.failures.get(name, 0) + 1
        self._state.failures[name] = failures
        return max(self._backoff.seconds(failures), retry_after or 0.0)
