"""The first page: which image runs where, what needs attention (worst first), every overlay in a few lines. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.health import Health
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.images.reference import Image
from gitops.core.sync import missing_images
from gitops.core.sync.status import ObjectStatus, Record, Sync, SyncStatus
from gitops.status_page.safe_text import LONG, clean
from gitops.status_page.source import ControllerState, Statuses
from gitops.status_page.views.environments import EnvironmentSettings, stages
from gitops.status_page.views.overlay import (
    HEALTH_TONES,
    MISSING_TONES,
    EnvironmentCard,
    ImageView,
    StatusTone,
    card,
    image,
)

STALLED = "Stalled"
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Rollout"}


@dataclass(frozen=True, slots=True)
class ServiceCell:
    """One service in one environment. `since` is when this image came in, as far as the history goes back; `differs`
    names the environment before this one when that has another digest; `own_health` is false when no workload has the
    service's name, and sync and health are those of the whole overlay.
    """

    service: str
    environment: str
    overlay: str
    image: ImageView
    sync: Sync
    health: Health
    own_health: bool
    since: datetime | None
    differs: str


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """One thing a person should know. `word` is Stalled, OutOfSync, Drifted, a health, or what is missing."""

    overlay: str
    tone: StatusTone
    word: str
    subject: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class StageView:
    """One environment with the worst of its overlays. Without any, sync and health are None: nothing is known yet."""

    stage: EnvironmentSettings
    tone: StatusTone
    sync: Sync | None
    health: Health | None
    overlays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service; `cells` has an entry per stage, None where the service does not run."""

    service: str
    cells: tuple[ServiceCell | None, ...]


@dataclass(frozen=True, slots=True)
class TroubleView:
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RegistryView:
    """How the sweeps of a registry fare; `every` in seconds. With a `message` and nothing that fails, nobody can ask
    it. `notes`: what could not be done for single services.
    """

    host: str
    every: float
    swept_at: datetime | None
    failing_since: datetime | None
    reason: str
    message: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControllerView:
    repo: str
    trunk: str
    head: str
    head_since: datetime | None
    leader: bool
    version: str
    troubles: tuple[TroubleView, ...]
    registries: tuple[RegistryView, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    stages: tuple[StageView, ...]
    rows: tuple[ServiceRow, ...]
    attention: tuple[AttentionItem, ...]
    cards: tuple[EnvironmentCard, ...]

    @property
    def tone(self) -> StatusTone:
        return max((shown.tone for shown in self.cards), key=lambda tone: tone.rank, default=StatusTone.OFF)


def overview(statuses: Statuses, pipeline: Pipeline | None) -> Overview:
    """The platform, which has no images and is no environment of the pipeline, gets a card and no column.

    What needs attention is ordered by its tone; what ails comes before what is merely stopped, the last environment
    before those it gets its releases from.
    """
    columns = stages(pipeline, {status.environment for status, _ in statuses.values() if status.images})
    place = {stage.name: position for position, stage in enumerate(columns)}
    known = sorted(statuses.values(), key=lambda found: (place.get(found[0].environment, -1), found[0].overlay))
    cards = tuple(card(status, history) for status, history in known)
    cells = _cells(known, columns)
    services = dict.fromkeys([*(pipeline.services if pipeline else ()), *sorted({name for name, _ in cells})])
    found = [entry for status, _ in reversed(known) for entry in _attention(status)]
    return Overview(
        stages=tuple(_stage(stage, [shown for shown in cards if shown.environment == stage.name]) for stage in columns),
        rows=tuple(
            ServiceRow(clean(name), tuple(cells.get((name, stage.name)) for stage in columns)) for name in services
        ),
        attention=tuple(sorted(found, key=lambda entry: (-entry.tone.rank, entry.word == STALLED))),
        cards=cards,
    )


def controller(found: ControllerState) -> ControllerView:
    troubles = tuple(TroubleView(clean(it.reason), clean(it.message, LONG), it.since) for it in found.troubles)
    head = clean(found.head or "")
    return ControllerView(
        clean(found.repo),
        clean(found.trunk),
        head,
        found.head_since,
        found.leader,
        clean(found.version),
        troubles,
        tuple(map(_registry, found.registries)),
    )


def _registry(state: RegistryState) -> RegistryView:
    return RegistryView(
        host=clean(state.host),
        every=state.every.total_seconds(),
        swept_at=state.swept_at,
        failing_since=state.failing_since,
        reason=clean(state.reason),
        message=clean(state.message, LONG),
        notes=tuple(clean(note, LONG) for note in state.notes),
    )


def whereabouts(statuses: Statuses, digest: str) -> tuple[ServiceCell, ...]:
    """Where this digest is in what was rendered last; with Synced and Healthy it runs there."""
    return tuple(
        _running(service, status, history)
        for _, (status, history) in sorted(statuses.items())
        for service, found in sorted(status.images.items())
        if found.digest == digest
    )


def _stage(stage: EnvironmentSettings, cards: Sequence[EnvironmentCard]) -> StageView:
    return StageView(
        stage=stage,
        tone=max((shown.tone for shown in cards), key=lambda tone: tone.rank, default=StatusTone.OFF),
        sync=max((shown.sync for shown in cards), key=list(Sync).index, default=None),
        health=max((shown.health for shown in cards), default=None),
        overlays=tuple(shown.overlay for shown in cards),
    )


def _cells(
    known: Iterable[tuple[SyncStatus, Sequence[Record]]], columns: Sequence[EnvironmentSettings]
) -> Mapping[tuple[str, str], ServiceCell]:
    entries = [(service, status, history) for status, history in known for service in status.images]
    digests = {(service, status.environment): status.images[service].digest for service, status, _ in entries}
    before = {stage.name: stage.after for stage in columns}

    def differs(service: str, environment: str) -> str:
        earlier = before.get(environment, "")
        other = digests.get((service, earlier))
        return clean(earlier) if other and other != digests[(service, environment)] else ""

    return {
        (service, status.environment): _running(service, status, history, differs(service, status.environment))
        for service, status, history in entries
    }


def _running(service: str, status: SyncStatus, history: Sequence[Record], differs: str = "") -> ServiceCell:
    own = _workload(service, status.objects)
    return ServiceCell(
        service=clean(service),
        environment=clean(status.environment),
        overlay=clean(status.overlay),
        image=image(status.images[service]),
        sync=own.sync if own else status.sync,
        health=own.health if own else status.health,
        own_health=own is not None,
        since=_since(service, status.images[service], history),
        differs=differs,
    )


def _workload(service: str, objects: Iterable[ObjectStatus]) -> ObjectStatus | None:
    """The workload that has the service's name; the worst one when there are several."""
    found = [it for it in objects if it.key.kind in _WORKLOADS and it.key.name == service]
    return max(found, key=lambda it: it.health, default=None)


def _since(service: str, found: Image, history: Iterable[Record]) -> datetime | None:
    """The oldest record of the unbroken run, newest first, that has this image."""
    since = None
    for record in history:
        if record.images.get(service) != found:
            break
        since = record.at
    return since


def _attention(status: SyncStatus) -> Iterable[AttentionItem]:
    """Stalled, then health, then drift, then what is merely behind, then what is missing; each said once."""
    name, ready, stalled = clean(status.overlay), status.condition("Ready"), status.condition("Stalled")
    since, message = (ready.since, clean(ready.message, LONG)) if ready else (status.at, "")
    halted = stalled is not None and stalled.status
    if stalled is not None and halted:
        said = clean(stalled.message, LONG) or message
        yield AttentionItem(name, StatusTone.BAD, STALLED, clean(stalled.reason), said, stalled.since)
    if status.health not in {Health.HEALTHY, Health.SUSPENDED} and (status.objects or not halted):
        subject, said = _worst(status, "" if halted else message)
        yield AttentionItem(name, HEALTH_TONES[status.health], str(status.health), subject, said, since)
    drifted = [found for found in status.objects if found.is_drifted]
    if drifted:
        yield _drifted(name, drifted, since)
    elif status.sync is not Sync.SYNCED and not halted:
        reason = clean(ready.reason) if ready else ""
        yield AttentionItem(name, StatusTone.WARN, str(status.sync), reason, message, since)
    pullable = status.condition(missing_images.PULLABLE)
    if pullable is not None and not pullable.status:
        tone = MISSING_TONES.get(pullable.reason, StatusTone.WARN)
        yield AttentionItem(name, tone, clean(pullable.reason), "", clean(pullable.message, LONG), pullable.since)


def _worst(status: SyncStatus, otherwise: str) -> tuple[str, str]:
    """Name and message of the first object that makes the overlay's health what it is."""
    worst = [found for found in status.objects if found.health is status.health]
    if not worst:
        return "", otherwise
    told = next((found for found in worst if found.message), worst[0])
    more = f" (+{len(worst) - 1})" if len(worst) > 1 else ""
    return f"{clean(told.key.kind)} {clean(told.key.name)}{more}", clean(told.message, LONG)


def _drifted(overlay: str, drifted: Sequence[ObjectStatus], since: datetime) -> AttentionItem:
    """One entry for all of it: the first field, and by whom."""
    found = [drift for status in drifted for drift in status.drift if drift.is_open]
    first, more = found[0], len(found) - 1
    subject = f"{clean(drifted[0].key.kind)} {clean(drifted[0].key.name)}"
    message = f"{clean(first.field)} ← {clean(first.manager) or '?'}" + (f" (+{more})" if more else "")
    return AttentionItem(overlay, StatusTone.WARN, "Drifted", subject, message, first.at or since)
