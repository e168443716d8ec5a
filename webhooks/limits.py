"""How often: admission by token bucket, and log lines that cannot flood."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_second` on."""

    per_second: float
    burst: int


class TokenBucket:
    """Thread-safe. Starts full."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(rate.burst)
        self._at = clock()

    def take(self) -> float:
        """0 when admitted, else the seconds until the next token."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
            self._at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self._rate.per_second


class Tally:
    """Counts what happens per key, and says when the count is worth a line: the first at once, then once a minute.

    Thread-safe. Keys must come from a small fixed set, never from a stranger.
    """

    WINDOW = 60.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[float, int]] = {}

    def due(self, key: str) -> int:
        """How many to report now, this one included; 0 means keep quiet."""
        with self._lock:
            now = self._clock()
            since, quiet = self._open.get(key, (-self.WINDOW, 0))
            if key in self._open and now - since < self.WINDOW:
                self._open[key] = (since, quiet + 1)
                return 0
            self._open[key] = (now, 0)
            return quiet + 1
