"""Promotions that somebody asked for and that wait, as they are shown. Pure."""

from dataclasses import dataclass
from datetime import datetime

from gitops.core.sync.status import PendingRequest
from gitops.status_page.safe_text import LONG, clean


@dataclass(frozen=True, slots=True)
class RequestView:
    """A promotion that somebody asked for and that waits. `release` is what approvals name; `waived`: gate -> why it is
    skipped.
    """

    name: str
    id: str
    release: str
    moves: tuple[str, ...]
    gates: tuple[str, ...]
    asked_by: str
    asked_at: datetime | None
    is_signed: bool
    waived: dict[str, str]


def request(found: PendingRequest) -> RequestView:
    return RequestView(
        name=clean(found.name),
        id=clean(found.id),
        release=clean(found.release),
        moves=tuple(clean(sentence, LONG) for sentence in found.moves),
        gates=tuple(clean(sentence, LONG) for sentence in found.gates),
        asked_by=clean(found.asked_by),
        asked_at=found.asked_at,
        is_signed=found.is_signed,
        waived={clean(gate): clean(reason, LONG) for gate, reason in found.waived.items()},
    )
