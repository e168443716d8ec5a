"""One overlay: its card on the first page and its own page with revisions, objects, drift and history. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gitops.core.contract import admission
from gitops.core.health import Health
from gitops.core.sync import missing_images
from gitops.core.sync.status import Condition, ObjectStatus, Record, Sync, SyncStatus
from gitops.status_page.safe_text import LONG, clean
from gitops.status_page.views.identifiers import ImageView, RevisionView, show_image, show_revision
from gitops.status_page.views.objects import DriftView, ObjectView, show_object, urgency
from gitops.status_page.views.requests import RequestView, show_request
from gitops.status_page.views.tones import HEALTH_TONES, MISSING_TONES, SYNC_TONES, StatusTone

_MOST_OBJECTS = 500
_WAIVER = re.compile(r"(\S+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ConditionView:
    type: str
    status: bool
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One record of the ledger. `took`: seconds for each step of the pass."""

    at: datetime
    revision: RevisionView | None
    sync: Sync
    health: Health
    reason: str
    message: str
    actions: dict[str, int]
    images: dict[str, ImageView]
    took: dict[str, float]


@dataclass(frozen=True, slots=True)
class OverlayCard:
    """An overlay in a few lines. `not_ready` is the Ready condition while it is false. `counts` are the objects by
    health, worst first. `since` is when Ready last changed.
    """

    overlay: str
    environment: str
    tone: StatusTone
    sync: Sync
    health: Health
    stalled: bool
    revision: RevisionView | None
    since: datetime
    not_ready: ConditionView | None
    waiting: tuple[str, ...]
    counts: dict[str, int]
    drifted: int
    last: HistoryEntry | None


@dataclass(frozen=True, slots=True)
class ContractView:
    """Violations of the contract: `broken` keeps the overlay from being synced, `warnings` do not. `waived` maps each
    exception that a person allowed (a gate, a digest, a commit; empty = everything) to the reason.
    """

    broken: str = ""
    warnings: tuple[str, ...] = ()
    waived: dict[str, str] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """True if there is no violation and no exception."""
        return not (self.broken or self.warnings or self.waived)


@dataclass(frozen=True, slots=True)
class OverlayView:
    """An overlay in full. `left_out` counts the objects beyond the cap, which are the least urgent ones."""

    card: OverlayCard
    conditions: tuple[ConditionView, ...]
    revisions: dict[str, RevisionView | None]
    images: dict[str, ImageView]
    objects: tuple[ObjectView, ...]
    left_out: int
    drift: tuple[DriftView, ...]
    took: dict[str, float]
    history: tuple[HistoryEntry, ...]
    requests: tuple[RequestView, ...] = ()
    contract: ContractView = field(default_factory=ContractView)


def show_card(status: SyncStatus, history: Sequence[Record]) -> OverlayCard:
    ready, stalled = status.condition("Ready"), status.condition("Stalled")
    is_stalled = bool(stalled and stalled.status)
    drifted = sum(found.is_drifted for found in status.objects)
    return OverlayCard(
        overlay=clean(status.overlay),
        environment=clean(status.environment),
        tone=_worst_tone(status, stalled=is_stalled, drifted=drifted),
        sync=status.sync,
        health=status.health,
        stalled=is_stalled,
        revision=show_revision(status.revisions.applied or status.revisions.rendered),
        since=ready.since if ready else status.at,
        not_ready=_show_condition(ready) if ready and not ready.status else None,
        waiting=tuple(clean(text, LONG) for text in status.waiting),
        counts=_count_by_health(status.objects),
        drifted=drifted,
        last=_show_record(history[0]) if history else None,
    )


def show_overlay(status: SyncStatus, history: Sequence[Record]) -> OverlayView:
    objects = sorted(map(show_object, status.objects), key=urgency)
    revisions = status.revisions
    return OverlayView(
        card=show_card(status, history),
        conditions=tuple(map(_show_condition, status.conditions)),
        revisions={
            "observed": show_revision(revisions.observed),
            "rendered": show_revision(revisions.rendered),
            "applied": show_revision(revisions.applied),
            "healthy": show_revision(revisions.healthy),
        },
        images={clean(service): show_image(image) for service, image in sorted(status.images.items())},
        objects=tuple(objects[:_MOST_OBJECTS]),
        left_out=max(0, len(objects) - _MOST_OBJECTS),
        drift=tuple(drift for shown in objects for drift in shown.drift),
        took=_round_seconds(status.took),
        history=tuple(map(_show_record, history)),
        requests=tuple(map(show_request, status.requests)),
        contract=_show_contract(status),
    )


def _worst_tone(status: SyncStatus, *, stalled: bool, drifted: int) -> StatusTone:
    tones = [HEALTH_TONES[status.health], SYNC_TONES[status.sync]]
    tones += [StatusTone.BAD] if stalled else []
    tones += [StatusTone.WARN] if drifted else []
    pullable = status.condition(missing_images.PULLABLE)
    if pullable is not None and not pullable.status:
        tones.append(MISSING_TONES.get(pullable.reason, StatusTone.WARN))
    return max(tones, key=lambda tone: tone.rank)


def _count_by_health(objects: Iterable[ObjectStatus]) -> dict[str, int]:
    counted = Counter(found.health for found in objects)
    return {str(health): counted[health] for health in sorted(counted, reverse=True)}


def _show_condition(condition: Condition) -> ConditionView:
    reason, message = clean(condition.reason), clean(condition.message, LONG)
    return ConditionView(clean(condition.type), condition.status, reason, message, condition.since)


def _show_contract(status: SyncStatus) -> ContractView:
    stalled, ready = status.condition("Stalled"), status.condition("Ready")
    broken = ""
    if stalled is not None and stalled.status and stalled.reason == admission.REASON:
        broken = clean(stalled.message or (ready.message if ready else ""), LONG)
    warnings = tuple(clean(sentence, LONG) for sentence in status.warnings)
    return ContractView(broken, warnings, dict(map(_split_waiver, status.waived)))


def _split_waiver(sentence: str) -> tuple[str, str]:
    """Splits one of Release.waivers into the exception's name and its reason; the name is empty if none is given."""
    found = _WAIVER.fullmatch(sentence)
    name, reason = found.groups() if found else ("", sentence)
    return clean(name), clean(reason, LONG)


def _show_record(record: Record) -> HistoryEntry:
    return HistoryEntry(
        at=record.at,
        revision=show_revision(record.revision),
        sync=record.sync,
        health=record.health,
        reason=clean(record.reason),
        message=clean(record.message, LONG),
        actions={clean(action): count for action, count in sorted(record.actions.items())},
        images={clean(service): show_image(image) for service, image in sorted(record.images.items())},
        took=_round_seconds(record.took),
    )


def _round_seconds(took: Mapping[str, float]) -> dict[str, float]:
    return {clean(step): round(seconds, 4) for step, seconds in took.items()}
