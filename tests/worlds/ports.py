"""The smallest implementations of the Protocols between workflows (gitops/ports/between.py)."""

from dataclasses import dataclass, field

from gitops.core.objects import Key
from gitops.reconcile.leader_relay import LeaderRelay


@dataclass(frozen=True, slots=True)
class Leader:
    """Implements ports.Leadership."""

    leads: bool = True

    def is_leader(self) -> bool:
        return self.leads


@dataclass(frozen=True, slots=True)
class Names:
    """Implements ports.Queue: keeps the names in the order in which they were added."""

    names: list[str] = field(default_factory=list)

    def add(self, name: str, *, after: float = 0.0) -> None:
        self.names.append(name)


class RecordedLeader(LeaderRelay):
    """The leader relay of a follower. It records the named overlays, one tuple for each call."""

    def __init__(self) -> None:
        self.requested: list[tuple[str, ...]] = []

    def request_pass(self, *overlays: str) -> None:
        self.requested.append(overlays)


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
