"""Notes about promotions that wait, for the page: sentences and requests, bounded, because one ConfigMap keeps all of
them and people wrote some of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gitops.core.image_updates.changes import one_line
from gitops.core.promotion.release import OverlayMove
from gitops.core.promotion.requests import PromotionRequest
from gitops.core.sync.status import PendingNote, PendingRequest

_LONGEST = 600
_MOST_SENTENCES = 30
_MOST_REFUSED = 3
_MOST_REQUESTS = 20
_MOST_OF_ONE = 50
"""Moves, or gates, that are shown of one request."""


@dataclass(slots=True)
class _OverlayNotes:
    waiting: dict[str, None] = field(default_factory=dict)
    refused: dict[str, None] = field(default_factory=dict)
    requests: list[PendingRequest] = field(default_factory=list)

    def note(self) -> PendingNote:
        left_out = len(self.requests) - _MOST_REQUESTS
        more = [f"and {left_out} more requests, asked for later"] if left_out > 0 else []
        waiting = (*_bound(self.waiting, _MOST_SENTENCES), *more, *_bound(self.refused, _MOST_REFUSED))
        return PendingNote(waiting, tuple(self.requests[:_MOST_REQUESTS]))


class PendingNotes:
    """Collects notes, by overlay. Sentences are shown in the order in which they were added, refused requests last.
    For one thread.
    """

    def __init__(self) -> None:
        self._notes: dict[str, _OverlayNotes] = {}

    def add_sentences(self, overlays: Iterable[str], *sentences: str) -> None:
        for overlay in overlays:
            self._of(overlay).waiting.update(dict.fromkeys(map(_cut, sentences)))

    def add_refusals(self, overlays: Iterable[str], sentences: Sequence[str]) -> None:
        """Sentences about refused requests: a few are enough to see why."""
        for overlay in overlays if sentences else ():
            self._of(overlay).refused.update(dict.fromkeys(map(_cut, sentences)))

    def add_request(self, overlays: Iterable[str], request: PendingRequest) -> None:
        """A request that waits."""
        shown = replace(request, moves=_bound(request.moves, _MOST_OF_ONE), gates=_bound(request.gates, _MOST_OF_ONE))
        for overlay in overlays:
            self._of(overlay).requests.append(shown)

    def has_request(self, overlay: str) -> bool:
        return overlay in self._notes and bool(self._notes[overlay].requests)

    def by_overlay(self) -> dict[str, PendingNote]:
        return {overlay: each.note() for overlay, each in self._notes.items()}

    def _of(self, overlay: str) -> _OverlayNotes:
        return self._notes.setdefault(overlay, _OverlayNotes())


def pending_request(
    request: PromotionRequest, moves: Sequence[OverlayMove], release: str, obstacles: Sequence[str]
) -> PendingRequest:
    """A request as the page shows it. `release`: the content hash of the moves; `obstacles`: why it waits."""
    return PendingRequest(
        name=request.name,
        id=request.id,
        release=release,
        moves=tuple(map(_describe, moves)),
        gates=tuple(obstacles),
        asked_by=one_line(request.signer or request.tagger),
        asked_at=request.asked_at,
        is_signed=request.signer is not None,
        waived=dict(request.waived),
    )


def _describe(move: OverlayMove) -> str:
    parts = [f"{service} {image.tag or image.short_digest}" for service, image in sorted(move.images.items())]
    parts += [f"base {move.base[:12]}"] if move.moves_base else []
    parts += [f"over base {move.base[:12]} without a proof ({move.base_waived})"] if move.base_waived else []
    parts += ["settings of the trunk"] if move.moves_settings else []
    return f"{move.overlay}: {', '.join(parts)}"


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST else sentence[: _LONGEST - 1] + "…"


def _bound(sentences: Iterable[str], most: int) -> tuple[str, ...]:
    found = tuple(map(_cut, sentences))
    return found if len(found) <= most else (*found[:most], f"and {len(found) - most} more")
