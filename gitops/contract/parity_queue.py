"""Parity for the page: a question is answered from memory, and a workqueue compares each pair once per head.

A comparison takes two or three renders, so no question waits for one. What is kept and what may wait is bounded. After
each comparison the worker rests for as long as it took: a reader who asks for every pair in a loop costs half a
processor at most, and passes and webhooks keep the rest.
"""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from cachetools import LRUCache

from gitops.core.contract import parity
from gitops.core.contract.parity import ComparedOverlay, ParityComparison
from gitops.core.errors import Rejected
from gitops.ports import Clock, EnvironmentComparer, Queue, TrunkHead

if TYPE_CHECKING:
    from datetime import datetime

_log = structlog.get_logger(__name__)

MOST_KEPT = 64
MOST_WAITING = 16
_MOST_FINDINGS = 1000
_LONGEST_REST = 30.0


@dataclass(frozen=True, slots=True)
class ParityParties:
    """`questions` is the queue that calls `work`."""

    comparer: EnvironmentComparer
    trunk: TrunkHead
    questions: Queue
    clock: Clock


class ParityQueue:
    """Thread-safe. `a` and `b` are environments of pipeline.yaml; the caller checks that they exist."""

    def __init__(self, parties: ParityParties) -> None:
        self._parties = parties
        self._clock = parties.clock
        self._known: LRUCache[str, ComparedOverlay] = LRUCache(MOST_KEPT)
        self._waiting: dict[str, datetime] = {}
        self._rested_at = 0.0
        self._lock = threading.Lock()

    def known(self, a: str, b: str) -> ParityComparison:
        """The last comparison, which may be of an older head. Asks for none."""
        name, head = f"{a} {b}", self._parties.trunk.head()
        with self._lock:
            found = self._known.get(name)
            return ParityComparison(found, _is_of(found, head), self._waiting.get(name))

    def of(self, a: str, b: str) -> ParityComparison:
        """The last comparison. If it is not of the present head, the pair is compared soon."""
        name, head = f"{a} {b}", self._parties.trunk.head()
        with self._lock:
            found = self._known.get(name)
            if not head or _is_of(found, head):
                return ParityComparison(found, _is_of(found, head))
            is_new = name not in self._waiting and len(self._waiting) < MOST_WAITING
            if is_new:
                self._waiting[name] = self._clock.now()
            asked_at = self._waiting.get(name)
        if is_new:
            self._parties.questions.add(name)
        return ParityComparison(found, asked_at=asked_at)

    def work(self, name: str) -> float | None:
        """Compares one pair, or returns after how many seconds it may. Called by the queue.

        Raises: Unavailable; the pair keeps waiting then.
        """
        began = self._clock.monotonic()
        if began < self._rested_at:
            return self._rested_at - began
        found = self._compare(name)
        took = self._clock.monotonic() - began
        self._rested_at = began + took + min(took, _LONGEST_REST)
        _log.info("compared", pair=name, revision=found.head, seconds=round(took, 3))
        with self._lock:
            self._waiting.pop(name, None)
            self._known[name] = found
        return None

    def _compare(self, name: str) -> ComparedOverlay:
        a, _, b = name.partition(" ")
        head = self._parties.trunk.head()
        try:
            pairs = self._parties.comparer.parity(head, a, b)
        except Rejected as error:
            return parity.summarize_failure(head, self._clock.now(), f"{error.reason}: {error}")
        return parity.summarize(head, self._clock.now(), pairs, _MOST_FINDINGS)


def _is_of(found: ComparedOverlay | None, head: str) -> bool:
    return found is not None and bool(head) and found.head == head
