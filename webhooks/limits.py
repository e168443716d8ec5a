"""Rate limits: a token bucket for requests, and a tally that keeps repeated log lines to one a minute."""

import threading
from dataclasses import dataclass

from gitops.ports import Clock


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` requests at once, afterwards `per_second` requests a second."""

    per_second: float
    burst: int


class TokenBucket:
    """Thread-safe. Starts full."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(rate.burst)
        self._at = clock.monotonic()

    def take(self) -> float:
        """Takes a token and returns 0.0; without a token, returns the seconds until the next one."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
            self._at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self._rate.per_second


class Tally:
    """Counts events for each key and tells when to log the count: the first event at once, then once a minute.

    Thread-safe. Keys must come from a small fixed set, never from an unauthenticated request.
    """

    WINDOW = 60.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[float, int]] = {}

    def due(self, key: str) -> int:
        """The count to log now, this event included; 0 if nothing is to be logged yet."""
        with self._lock:
            now = self._clock.monotonic()
            since, unlogged = self._open.get(key, (-self.WINDOW, 0))
            if key in self._open and now - since < self.WINDOW:
                self._open[key] = (since, unlogged + 1)
                return 0
            self._open[key] = (now, 0)
            return unlogged + 1
