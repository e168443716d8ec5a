"""The smallest implementations of the seams between workflows (gitops/ports.py)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gitops.core.objects import Key
from tests.worlds.kubernetes import now


@dataclass(frozen=True, slots=True)
class WorldClock:
    """Implements ports.Clock: the real time, or the wall-clock time that a test sets."""

    wall: Callable[[], datetime] = now

    def now(self) -> datetime:
        return self.wall()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Leader:
    """Implements ports.Leadership."""

    leads: bool = True

    def is_leader(self) -> bool:
        return self.leads


class HashKey:
    """Implements ports.SecretHashKey."""

    def read(self) -> bytes:
        return b"key"


@dataclass(frozen=True, slots=True)
class Claims:
    """Implements ports.ObjectClaims: the same answer for every object."""

    answer: str = ""

    def claim(self, key: Key, applyset: str) -> str:
        return self.answer
