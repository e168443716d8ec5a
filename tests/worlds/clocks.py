"""The clock of tests: the real time, or the time that a test keeps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def now() -> datetime:
    """The real time, aware, in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass(frozen=True, slots=True)
class WorldClock:
    """Implements ports.Clock by two functions. Each reads the real time unless a test passes its own."""

    now: Callable[[], datetime] = now
    monotonic: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Stopwatch:
    """Seconds that only the test moves, for `monotonic` of a clock."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds
