"""The first page: which image runs in which environment, what needs attention (worst first), all overlays. Pure."""

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
from gitops.status_page.views.environments import EnvironmentSettings, list_environments
from gitops.status_page.views.identifiers import ImageView, show_image
from gitops.status_page.views.overlay import OverlayCard, show_card
from gitops.status_page.views.tones import HEALTH_TONES, MISSING_TONES, StatusTone

STALLED = "Stalled"
_WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Rollout"}


@dataclass(frozen=True, slots=True)
class ServiceCell:
    """One service in one environment.

    `since` is when this image arrived, as far as the history reaches. `differs` names the environment before this one
    if it has another digest. `own_health` is false if no workload has the service's name; sync and health are then
    those of the whole overlay.
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
    """One line below "needs attention". `word` is Stalled, OutOfSync, Drifted, a health, or the reason of Pullable."""

    overlay: str
    tone: StatusTone
    word: str
    subject: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class EnvironmentSummary:
    """One environment with the worst sync and health of its overlays; None before the first overlay was reconciled."""

    stage: EnvironmentSettings
    tone: StatusTone
    sync: Sync | None
    health: Health | None
    overlays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service. `cells` has one entry for each environment, None where the service does not run."""

    service: str
    cells: tuple[ServiceCell | None, ...]


@dataclass(frozen=True, slots=True)
class TroubleView:
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RegistryView:
    """The state of a registry's sweeps; `every` is in seconds. A `message` without `failing_since` explains why the
    registry cannot be swept at all. `notes` name single services that could not be swept.
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
    stages: tuple[EnvironmentSummary, ...]
    rows: tuple[ServiceRow, ...]
    attention: tuple[AttentionItem, ...]
    cards: tuple[OverlayCard, ...]

    @property
    def tone(self) -> StatusTone:
        return max((shown.tone for shown in self.cards), key=lambda tone: tone.rank, default=StatusTone.OFF)


def show_overview(statuses: Statuses, pipeline: Pipeline | None) -> Overview:
    """The platform overlay gets a card but no column, because it has no images and pipeline.yaml does not list it.

    Attention is sorted by tone; within a tone, Stalled comes last and the last environment of the pipeline comes first.
    """
    columns = list_environments(pipeline, {status.environment for status, _ in statuses.values() if status.images})
    place = {column.name: position for position, column in enumerate(columns)}
    known = sorted(statuses.values(), key=lambda found: (place.get(found[0].environment, -1), found[0].overlay))
    cards = tuple(show_card(status, history) for status, history in known)
    cells = _show_cells(known, columns)
    services = dict.fromkeys([*(pipeline.services if pipeline else ()), *sorted({name for name, _ in cells})])
    found = [item for status, _ in reversed(known) for item in _find_attention(status)]
    return Overview(
        stages=tuple(
            _summarise_environment(it, [card for card in cards if card.environment == it.name]) for it in columns
        ),
        rows=tuple(
            ServiceRow(clean(name), tuple(cells.get((name, column.name)) for column in columns)) for name in services
        ),
        attention=tuple(sorted(found, key=lambda item: (-item.tone.rank, item.word == STALLED))),
        cards=cards,
    )


def show_controller(found: ControllerState) -> ControllerView:
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
        tuple(map(_show_registry, found.registries)),
    )


def _show_registry(state: RegistryState) -> RegistryView:
    return RegistryView(
        host=clean(state.host),
        every=state.every.total_seconds(),
        swept_at=state.swept_at,
        failing_since=state.failing_since,
        reason=clean(state.reason),
        message=clean(state.message, LONG),
        notes=tuple(clean(note, LONG) for note in state.notes),
    )


def find_digest(statuses: Statuses, digest: str) -> tuple[ServiceCell, ...]:
    """The services whose last rendered manifests have this digest. It runs where the cell is Synced and Healthy."""
    return tuple(
        _show_cell(service, status, history)
        for _, (status, history) in sorted(statuses.items())
        for service, image in sorted(status.images.items())
        if image.digest == digest
    )


def _summarise_environment(environment: EnvironmentSettings, cards: Sequence[OverlayCard]) -> EnvironmentSummary:
    return EnvironmentSummary(
        stage=environment,
        tone=max((shown.tone for shown in cards), key=lambda tone: tone.rank, default=StatusTone.OFF),
        sync=max((shown.sync for shown in cards), key=list(Sync).index, default=None),
        health=max((shown.health for shown in cards), default=None),
        overlays=tuple(shown.overlay for shown in cards),
    )


def _show_cells(
    known: Iterable[tuple[SyncStatus, Sequence[Record]]], columns: Sequence[EnvironmentSettings]
) -> Mapping[tuple[str, str], ServiceCell]:
    entries = [(service, status, history) for status, history in known for service in status.images]
    digests = {(service, status.environment): status.images[service].digest for service, status, _ in entries}
    before = {column.name: column.after for column in columns}

    def differs(service: str, environment: str) -> str:
        earlier = before.get(environment, "")
        other = digests.get((service, earlier))
        return clean(earlier) if other and other != digests[(service, environment)] else ""

    return {
        (service, status.environment): _show_cell(service, status, history, differs(service, status.environment))
        for service, status, history in entries
    }


def _show_cell(service: str, status: SyncStatus, history: Sequence[Record], differs: str = "") -> ServiceCell:
    own = _find_workload(service, status.objects)
    return ServiceCell(
        service=clean(service),
        environment=clean(status.environment),
        overlay=clean(status.overlay),
        image=show_image(status.images[service]),
        sync=own.sync if own else status.sync,
        health=own.health if own else status.health,
        own_health=own is not None,
        since=_find_arrival(service, status.images[service], history),
        differs=differs,
    )


def _find_workload(service: str, objects: Iterable[ObjectStatus]) -> ObjectStatus | None:
    """The workload with the service's name; the one with the worst health if there are several."""
    found = [it for it in objects if it.key.kind in _WORKLOADS and it.key.name == service]
    return max(found, key=lambda it: it.health, default=None)


def _find_arrival(service: str, image: Image, history: Iterable[Record]) -> datetime | None:
    """The time of the oldest record since which the service has had this image; `history` is newest first."""
    since = None
    for record in history:
        if record.images.get(service) != image:
            break
        since = record.at
    return since


def _find_attention(status: SyncStatus) -> Iterable[AttentionItem]:
    """Yields in this order, each once: Stalled, health, Drifted or OutOfSync, missing images."""
    name, ready, stalled = clean(status.overlay), status.condition("Ready"), status.condition("Stalled")
    since, message = (ready.since, clean(ready.message, LONG)) if ready else (status.at, "")
    halted = stalled is not None and stalled.status
    if stalled is not None and halted:
        text = clean(stalled.message, LONG) or message
        yield AttentionItem(name, StatusTone.BAD, STALLED, clean(stalled.reason), text, stalled.since)
    if status.health not in {Health.HEALTHY, Health.SUSPENDED} and (status.objects or not halted):
        subject, text = _describe_worst(status, "" if halted else message)
        yield AttentionItem(name, HEALTH_TONES[status.health], str(status.health), subject, text, since)
    drifted = [found for found in status.objects if found.is_drifted]
    if drifted:
        yield _show_drift(name, drifted, since)
    elif status.sync is not Sync.SYNCED and not halted:
        reason = clean(ready.reason) if ready else ""
        yield AttentionItem(name, StatusTone.WARN, str(status.sync), reason, message, since)
    pullable = status.condition(missing_images.PULLABLE)
    if pullable is not None and not pullable.status:
        tone = MISSING_TONES.get(pullable.reason, StatusTone.WARN)
        yield AttentionItem(name, tone, clean(pullable.reason), "", clean(pullable.message, LONG), pullable.since)


def _describe_worst(status: SyncStatus, otherwise: str) -> tuple[str, str]:
    """Name and message of an object that has the overlay's health, the first with a message; else `otherwise`."""
    worst = [found for found in status.objects if found.health is status.health]
    if not worst:
        return "", otherwise
    first = next((found for found in worst if found.message), worst[0])
    more = f" (+{len(worst) - 1})" if len(worst) > 1 else ""
    return f"{clean(first.key.kind)} {clean(first.key.name)}{more}", clean(first.message, LONG)


def _show_drift(overlay: str, drifted: Sequence[ObjectStatus], since: datetime) -> AttentionItem:
    """One item for all drifted fields: it names the first field and the manager that changed it."""
    found = [drift for status in drifted for drift in status.drift if drift.is_open]
    first, more = found[0], len(found) - 1
    subject = f"{clean(drifted[0].key.kind)} {clean(drifted[0].key.name)}"
    message = f"{clean(first.field)} ← {clean(first.manager) or '?'}" + (f" (+{more})" if more else "")
    return AttentionItem(overlay, StatusTone.WARN, "Drifted", subject, message, first.at or since)
