"""What the pages and their JSON twins show, as values: made of the ledger's types, safe to show, no I/O, no clock.

Every text here went through `plain.clean`, so templates only have to escape it. Times are absolute; how long ago that
is depends on the moment of the rendering and so is left to the template (and to the script).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gitops.core.contract import admission
from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync import missing_images
from gitops.core.sync.status import Action, Condition, Drift, FieldChange, ObjectStatus, Record, Sync, SyncStatus
from gitops.status_page.safe_text import LONG, MASK, clean
from gitops.status_page.views.requests import RequestView, request

MOST_OBJECTS = 500
MOST_CHANGES = 30
VALUE = 200
_WAIVER = re.compile(r"(\S+): (.*)", re.DOTALL)
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
SECRET_KINDS = {("", "Secret")}
# What kustomize appends to generated names (api/hasher): for a Secret it is a hash over the secret values.
_HASH_SUFFIX = re.compile(r"-[2456789bcdfghkmt]{10}$")


class StatusTone(StrEnum):
    """How much attention something wants, from none to most. Always shown with a word and a shape, never by colour."""

    OK = "ok"
    OFF = "off"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"

    @property
    def rank(self) -> int:
        return list(StatusTone).index(self)


HEALTH_TONES = {
    Health.HEALTHY: StatusTone.OK,
    Health.SUSPENDED: StatusTone.OFF,
    Health.PROGRESSING: StatusTone.BUSY,
    Health.MISSING: StatusTone.BAD,
    Health.DEGRADED: StatusTone.BAD,
    Health.UNKNOWN: StatusTone.WARN,
}
MISSING_TONES = {
    missing_images.IN_USE: StatusTone.BAD,
    missing_images.IN_REACH: StatusTone.WARN,
    missing_images.PROVEN: StatusTone.WARN,
}
"""Of what a registry no longer has. The overlay's health is another matter: what runs, runs on."""
SYNC_TONES = {Sync.SYNCED: StatusTone.OK, Sync.OUT_OF_SYNC: StatusTone.WARN, Sync.UNKNOWN: StatusTone.WARN}


@dataclass(frozen=True, slots=True)
class ImageView:
    """`digest` is the whole one, `short` its first 12 hex digits; both empty for an image that is not pinned."""

    name: str
    tag: str
    digest: str
    short: str


@dataclass(frozen=True, slots=True)
class RevisionView:
    """Commit ids in full. Equal ones mean that the overlay and its base come from the same commit."""

    base: str
    overlay: str
    short: str


@dataclass(frozen=True, slots=True)
class ConditionView:
    type: str
    status: bool
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One field before and after; None = absent."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class DriftView:
    object: str
    field: str
    manager: str
    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object. `changes` is what the last plan did to it or would do; `hidden` counts those beyond the cap."""

    group: str
    kind: str
    namespace: str
    name: str
    sync: Sync
    health: Health
    message: str
    action: Action
    changes: tuple[ChangeView, ...]
    hidden: int
    drift: tuple[DriftView, ...]
    is_drifted: bool

    @property
    def settled(self) -> bool:
        return self.sync is Sync.SYNCED and self.health is Health.HEALTHY and not self.is_drifted


@dataclass(frozen=True, slots=True)
class TimeView:
    """One line of a history."""

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
class EnvironmentCard:
    """An overlay in a few lines. `not_ready` is the Ready condition while it is false; `counts` are objects by health,
    worst first; `since` is when what is shown became so.
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
    last: TimeView | None


@dataclass(frozen=True, slots=True)
class ContractView:
    """What of the overlay breaks the contract: `broken` is why it is not synced, `warnings` was let in all the same;
    `waived`: what a person let in by name (a gate, a digest, a commit; empty = all of it) -> the reason.
    """

    broken: str = ""
    warnings: tuple[str, ...] = ()
    waived: dict[str, str] = field(default_factory=dict)

    @property
    def is_kept(self) -> bool:
        """True when there is nothing to say."""
        return not (self.broken or self.warnings or self.waived)


@dataclass(frozen=True, slots=True)
class OverlayView:
    """An overlay in full. `left_out` counts the objects beyond the cap: the calmest ones."""

    card: EnvironmentCard
    conditions: tuple[ConditionView, ...]
    revisions: dict[str, RevisionView | None]
    images: dict[str, ImageView]
    objects: tuple[ObjectView, ...]
    left_out: int
    drift: tuple[DriftView, ...]
    took: dict[str, float]
    history: tuple[TimeView, ...]
    requests: tuple[RequestView, ...] = ()
    contract: ContractView = field(default_factory=ContractView)


def card(status: SyncStatus, history: Sequence[Record]) -> EnvironmentCard:
    ready, stalled = status.condition("Ready"), status.condition("Stalled")
    is_stalled = bool(stalled and stalled.status)
    drifted = sum(found.is_drifted for found in status.objects)
    return EnvironmentCard(
        overlay=clean(status.overlay),
        environment=clean(status.environment),
        tone=max(_tone(status, stalled=is_stalled, drifted=drifted), _pullable(status), key=lambda tone: tone.rank),
        sync=status.sync,
        health=status.health,
        stalled=is_stalled,
        revision=_revision(status.revisions.applied or status.revisions.rendered),
        since=ready.since if ready else status.at,
        not_ready=_condition(ready) if ready and not ready.status else None,
        waiting=tuple(clean(text, LONG) for text in status.waiting),
        counts=_counts(status.objects),
        drifted=drifted,
        last=_moment(history[0]) if history else None,
    )


def _pullable(status: SyncStatus) -> StatusTone:
    found = status.condition(missing_images.PULLABLE)
    return StatusTone.OK if found is None or found.status else MISSING_TONES.get(found.reason, StatusTone.WARN)


def overlay(status: SyncStatus, history: Sequence[Record]) -> OverlayView:
    objects = sorted((_object(found) for found in status.objects), key=_urgency)
    revisions = status.revisions
    return OverlayView(
        card=card(status, history),
        conditions=tuple(_condition(found) for found in status.conditions),
        revisions={
            "observed": _revision(revisions.observed),
            "rendered": _revision(revisions.rendered),
            "applied": _revision(revisions.applied),
            "healthy": _revision(revisions.healthy),
        },
        images={clean(service): image(found) for service, found in sorted(status.images.items())},
        objects=tuple(objects[:MOST_OBJECTS]),
        left_out=max(0, len(objects) - MOST_OBJECTS),
        drift=tuple(found for shown in objects for found in shown.drift),
        took=_took(status.took),
        history=moments(history),
        requests=tuple(map(request, status.requests)),
        contract=_contract(status),
    )


def moments(history: Iterable[Record]) -> tuple[TimeView, ...]:
    return tuple(_moment(found) for found in history)


def image(found: Image) -> ImageView:
    return ImageView(clean(found.name), clean(found.tag or ""), clean(found.digest or ""), clean(found.short_digest))


def shown_name(key: Key) -> str:
    """Without the hash that kustomize appends to a Secret's name."""
    return clean(_HASH_SUFFIX.sub("-…", key.name) if (key.group, key.kind) in SECRET_KINDS else key.name)


def _tone(status: SyncStatus, *, stalled: bool, drifted: int) -> StatusTone:
    tones = [HEALTH_TONES[status.health], SYNC_TONES[status.sync]]
    tones += [StatusTone.BAD] if stalled else []
    tones += [StatusTone.WARN] if drifted else []
    return max(tones, key=lambda tone: tone.rank)


def _counts(objects: Iterable[ObjectStatus]) -> dict[str, int]:
    counted = Counter(found.health for found in objects)
    return {str(health): counted[health] for health in sorted(counted, reverse=True)}


def _revision(revision: Revision | None) -> RevisionView | None:
    if revision is None:
        return None
    return RevisionView(commit_id(revision.base), commit_id(revision.overlay), clean(str(revision)))


def commit_id(text: str) -> str:
    """A commit id, or nothing that could become part of an address."""
    return text if _COMMIT.fullmatch(text) else ""


def _condition(condition: Condition) -> ConditionView:
    reason, message = clean(condition.reason), clean(condition.message, LONG)
    return ConditionView(clean(condition.type), condition.status, reason, message, condition.since)


def _contract(status: SyncStatus) -> ContractView:
    stalled, ready = status.condition("Stalled"), status.condition("Ready")
    broken = ""
    if stalled is not None and stalled.status and stalled.reason == admission.REASON:
        broken = clean(stalled.message or (ready.message if ready else ""), LONG)
    warnings = tuple(clean(sentence, LONG) for sentence in status.warnings)
    return ContractView(broken, warnings, dict(map(_waiver, status.waived)))


def _waiver(sentence: str) -> tuple[str, str]:
    """What was waived, and why, of one of Release.waivers; a bare word names nothing."""
    told = _WAIVER.fullmatch(sentence)
    what, why = told.groups() if told else ("", sentence)
    return clean(what), clean(why, LONG)


def _object(status: ObjectStatus) -> ObjectView:
    key = status.key
    secret, name = (key.group, key.kind) in SECRET_KINDS, shown_name(key)
    return ObjectView(
        group=clean(key.group),
        kind=clean(key.kind),
        namespace=clean(key.namespace),
        name=name,
        sync=status.sync,
        health=status.health,
        message=clean(status.message, LONG),
        action=status.action,
        changes=tuple(_change(found, secret=secret) for found in status.changes[:MOST_CHANGES]),
        hidden=max(0, len(status.changes) - MOST_CHANGES),
        drift=tuple(_drift(f"{clean(key.kind)} {name}", found) for found in status.drift[:MOST_CHANGES]),
        is_drifted=status.is_drifted,
    )


def _change(change: FieldChange, *, secret: bool) -> ChangeView:
    """Secrets come masked already; that is made sure of once more where they would become public."""

    def shown(value: str | None) -> str | None:
        return value if value is None else MASK if secret else clean(value, VALUE)

    return ChangeView(clean(change.field), shown(change.old), shown(change.new))


def _drift(name: str, drift: Drift) -> DriftView:
    return DriftView(name, clean(drift.field), clean(drift.manager), clean(drift.kind), drift.at)


def _urgency(found: ObjectView) -> tuple[bool, int, bool, str, str, str]:
    """Sorts what wants attention first, then by kind and name."""
    return (found.settled, -found.health, found.sync is Sync.SYNCED, found.kind, found.namespace, found.name)


def _moment(record: Record) -> TimeView:
    return TimeView(
        at=record.at,
        revision=_revision(record.revision),
        sync=record.sync,
        health=record.health,
        reason=clean(record.reason),
        message=clean(record.message, LONG),
        actions={clean(action): count for action, count in sorted(record.actions.items())},
        images={clean(service): image(found) for service, found in sorted(record.images.items())},
        took=_took(record.took),
    )


def _took(took: Mapping[str, float]) -> dict[str, float]:
    return {clean(step): round(seconds, 4) for step, seconds in took.items()}
