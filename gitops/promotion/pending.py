"""What one look at promotions finds out about each overlay, in no more words than a status has room for: all of it is
kept in one ConfigMap, and some of it people wrote.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gitops.core.sync.status import PendingNote, PendingRequest

_LONGEST = 600
_MOST_SENTENCES = 30
_MOST_REFUSED = 3
_MOST_REQUESTS = 20
_MOST_OF_ONE = 50
"""Moves, or gates, that are told of one request."""


@dataclass(slots=True)
class _Page:
    waiting: dict[str, None] = field(default_factory=dict)
    refused: dict[str, None] = field(default_factory=dict)
    requests: list[PendingRequest] = field(default_factory=list)

    def said(self) -> PendingNote:
        left_out = len(self.requests) - _MOST_REQUESTS
        more = [f"and {left_out} more requests, asked for later"] if left_out > 0 else []
        waiting = (*_bounded(self.waiting, _MOST_SENTENCES), *more, *_bounded(self.refused, _MOST_REFUSED))
        return PendingNote(waiting, tuple(self.requests[:_MOST_REQUESTS]))


class PendingNotes:
    """For one thread. What is said first is shown first; refused requests come last."""

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}

    def say(self, overlays: Iterable[str], *sentences: str) -> None:
        for overlay in overlays:
            self._page(overlay).waiting.update(dict.fromkeys(map(_cut, sentences)))

    def refuse(self, overlays: Iterable[str], sentences: Sequence[str]) -> None:
        """Of requests that are not heard: those of a few are enough to see why."""
        for overlay in overlays if sentences else ():
            self._page(overlay).refused.update(dict.fromkeys(map(_cut, sentences)))

    def pend(self, overlays: Iterable[str], request: PendingRequest) -> None:
        shown = replace(
            request, moves=_bounded(request.moves, _MOST_OF_ONE), gates=_bounded(request.gates, _MOST_OF_ONE)
        )
        for overlay in overlays:
            self._page(overlay).requests.append(shown)

    def has_request(self, overlay: str) -> bool:
        return overlay in self._pages and bool(self._pages[overlay].requests)

    def said(self) -> dict[str, PendingNote]:
        return {overlay: page.said() for overlay, page in self._pages.items()}

    def _page(self, overlay: str) -> _Page:
        return self._pages.setdefault(overlay, _Page())


class PublishedNotes:
    """The notes of the last look at promotions, by overlay. Implements ports.PendingPromotions. Thread-safe."""

    def __init__(self) -> None:
        self._notes: Mapping[str, PendingNote] = {}
        self._lock = threading.Lock()

    def pending(self, overlay: str) -> PendingNote:
        with self._lock:
            return self._notes.get(overlay, PendingNote())

    def publish(self, notes: Mapping[str, PendingNote]) -> frozenset[str]:
        """Replaces all notes; returns the overlays whose note is different now."""
        with self._lock:
            before, self._notes = self._notes, notes
        none = PendingNote()
        return frozenset(
            name for name in before.keys() | notes.keys() if before.get(name, none) != notes.get(name, none)
        )


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else sentence[: _LONGEST - 1] + "…"


def _bounded(sentences: Iterable[str], most: int) -> tuple[str, ...]:
    found = tuple(map(_cut, sentences))
    return found if len(found) <= most else (*found[:most], f"and {len(found) - most} more")
