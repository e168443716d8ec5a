"""Parity for whoever looks at it: a question is answered from memory, the answer is worked out elsewhere, once.

Comparing two environments takes two or three renders. So a question never waits for one: it gets what is known, and
the pair goes to a workqueue, where one worker compares each pair once per head, however many ask. What is kept and
what may wait is bounded, and after each comparison the worker rests for as long as that took: whoever asks for every
pair in a loop costs half a processor at most, and passes and webhooks keep the rest.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from cachetools import LRUCache

from gitops.core.contract import parity
from gitops.core.contract.parity import ComparedOverlay, EnvironmentPair, ParityComparison
from gitops.core.errors import Rejected

_log = structlog.get_logger(__name__)

MOST_KEPT = 64
MOST_WAITING = 16
_MOST_FINDINGS = 1000
_LONGEST_REST = 30.0

CompareEnvironments = Callable[[str, str, str], Sequence[EnvironmentPair]]
"""(head, a, b) -> the pairs of their overlays. Raises: Rejected, Unavailable."""


@dataclass(frozen=True, slots=True)
class ParityParties:
    """`head`: the trunk's, empty while it is not known; `add` puts a name into the queue that calls `work` with it;
    `now` is wall-clock time, `monotonic` seconds.
    """

    compare: CompareEnvironments
    head: Callable[[], str]
    add: Callable[[str], None]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class ParityQueue:
    """Thread-safe. Names are those of environments; whoever asks has made sure that there are such."""

    def __init__(self, means: ParityParties) -> None:
        self._means = means
        self._known: LRUCache[str, ComparedOverlay] = LRUCache(MOST_KEPT)
        self._waiting: dict[str, datetime] = {}
        self._rested_at = 0.0
        self._lock = threading.Lock()

    def known(self, a: str, b: str) -> ParityComparison:
        """What is known already; nothing is asked for by it."""
        name, head = f"{a} {b}", self._means.head()
        with self._lock:
            found = self._known.get(name)
            return ParityComparison(found, _is_of(found, head), self._waiting.get(name))

    def of(self, a: str, b: str) -> ParityComparison:
        """What is known; if that is not of the present head, the pair is compared soon."""
        name, head = f"{a} {b}", self._means.head()
        with self._lock:
            found = self._known.get(name)
            if not head or _is_of(found, head):
                return ParityComparison(found, _is_of(found, head))
            is_new = name not in self._waiting and len(self._waiting) < MOST_WAITING
            if is_new:
                self._waiting[name] = self._means.now()
            asked_at = self._waiting.get(name)
        if is_new:
            self._means.add(name)
        return ParityComparison(found, asked_at=asked_at)

    def work(self, name: str) -> float | None:
        """Called by the queue: compares one pair, or says in how many seconds it wants to.

        Raises: Unavailable; the pair keeps waiting then.
        """
        began = self._means.monotonic()
        if began < self._rested_at:
            return self._rested_at - began
        found = self._compared(name)
        took = self._means.monotonic() - began
        self._rested_at = began + took + min(took, _LONGEST_REST)
        _log.info("compared", pair=name, revision=found.head, seconds=round(took, 3))
        with self._lock:
            self._waiting.pop(name, None)
            self._known[name] = found
        return None

    def _compared(self, name: str) -> ComparedOverlay:
        a, _, b = name.partition(" ")
        head = self._means.head()
        try:
            pairs = self._means.compare(head, a, b)
        except Rejected as error:
            return parity.summarize_failure(head, self._means.now(), f"{error.reason}: {error}")
        return parity.summarize(head, self._means.now(), pairs, _MOST_FINDINGS)


def _is_of(found: ComparedOverlay | None, head: str) -> bool:
    return found is not None and bool(head) and found.head == head
