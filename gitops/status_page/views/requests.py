"""Promotion requests that wait for a gate, as they are shown. Pure."""

from dataclasses import dataclass
from datetime import datetime

from gitops.core.sync.status import PendingRequest
from gitops.status_page.safe_text import LONG, clean


@dataclass(frozen=True, slots=True)
class RequestView:
    """One waiting request. `release` is the id that approvals name. `waived` maps each gate that the request skips to
    the reason.
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


def show_request(request: PendingRequest) -> RequestView:
    return RequestView(
        name=clean(request.name),
        id=clean(request.id),
        release=clean(request.release),
        moves=tuple(clean(sentence, LONG) for sentence in request.moves),
        gates=tuple(clean(sentence, LONG) for sentence in request.gates),
        asked_by=clean(request.asked_by),
        asked_at=request.asked_at,
        is_signed=request.is_signed,
        waived={clean(gate): clean(reason, LONG) for gate, reason in request.waived.items()},
    )
