"""A clock that a test reads from wherever it keeps its time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


def _standing() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class ReadClock:
    """Implements ports.Clock by two functions."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float] = _standing
