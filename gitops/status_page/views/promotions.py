"""The promotions page: requests and gates of each environment, and the timeline of past promotions. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Hold, Release
from gitops.core.image_updates import scans
from gitops.core.promotion import lineage
from gitops.core.promotion.lineage import LineageEvent, RepoHistory
from gitops.core.sync.status import SyncStatus
from gitops.status_page.safe_text import LONG, clean
from gitops.status_page.source import Statuses
from gitops.status_page.views.environments import EnvironmentSettings, list_environments
from gitops.status_page.views.identifiers import ImageView, commit_id, show_image
from gitops.status_page.views.requests import RequestView, show_request

_T = TypeVar("_T")

_MOST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class WaitView:
    """One reason to wait, and the overlays that wait for it."""

    message: str
    overlays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldView:
    """`is_over`: `until` has passed, so the hold is no longer in force."""

    overlays: tuple[str, ...]
    who: str
    why: str
    since: datetime
    until: datetime | None
    suspend: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class WaiverView:
    """An exception of the current release: the gate that it skipped, or the digest or commit without a proof. `gate` is
    empty if the waiver names none.
    """

    overlays: tuple[str, ...]
    gate: str
    reason: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """One environment. `expire` maps a request's id to the time at which the controller drops the request."""

    stage: EnvironmentSettings
    requests: tuple[RequestView, ...]
    expire: dict[str, datetime]
    waiting: tuple[WaitView, ...]
    holds: tuple[HoldView, ...]
    waivers: tuple[WaiverView, ...]

    @property
    def is_calm(self) -> bool:
        return not (self.requests or self.waiting or any(not hold.is_over for hold in self.holds))


@dataclass(frozen=True, slots=True)
class MovedView:
    service: str
    image: ImageView


@dataclass(frozen=True, slots=True)
class EventView:
    """One commit. `moved` are the images that it changed. `scans` maps a service to its worst finding at that time."""

    at: datetime
    deed: str
    environments: tuple[str, ...]
    overlays: tuple[str, ...]
    commit: str
    author: str
    subject: str
    source: str
    cause: str
    request: str
    approved_by: str
    proven_since: datetime | None
    scans: dict[str, str]
    waived: dict[str, str]
    hold: HoldView | None
    moved: tuple[MovedView, ...]


@dataclass(frozen=True, slots=True)
class PromotionsView:
    """`as_of` is the commit up to which git's history was read; empty before the first read has ended."""

    as_of: str
    queues: tuple[QueueView, ...]
    timeline: tuple[EventView, ...]

    @property
    def waiting(self) -> int:
        """The number of environments with a request, a waiting promotion or a hold in force."""
        return sum(not queue.is_calm for queue in self.queues)


def show_promotions(statuses: Statuses, pipeline: Pipeline | None, past: RepoHistory, now: datetime) -> PromotionsView:
    known = [status for _, (status, _) in sorted(statuses.items())]
    environments = list_environments(pipeline, {status.environment for status in known if status.images})
    services = {service.image: name for name, service in pipeline.services.items()} if pipeline else {}
    return PromotionsView(
        as_of=commit_id(past.head),
        queues=tuple(
            _show_queue(it, [each for each in known if each.environment == it.name], pipeline, (past, now))
            for it in environments
        ),
        timeline=tuple(_show_event(found, services, now) for found in lineage.timeline(past.entries, _MOST_EVENTS)),
    )


def _show_queue(
    environment: EnvironmentSettings,
    known: Sequence[SyncStatus],
    pipeline: Pipeline | None,
    read: tuple[RepoHistory, datetime],
) -> QueueView:
    past, now = read
    asked = {found.id: show_request(found) for status in known for found in status.requests}
    ttl = pipeline.request.ttl if pipeline else None
    return QueueView(
        stage=environment,
        requests=tuple(asked.values()),
        expire={found.id: found.asked_at + ttl for found in asked.values() if ttl is not None and found.asked_at},
        waiting=_collect_waiting(known, [f"request {found.name} waits: " for found in asked.values()]),
        holds=_collect_holds(_select(environment, past.holds), now),
        waivers=_collect_waivers(_select(environment, past.releases)),
    )


def _select(environment: EnvironmentSettings, by_overlay: Mapping[str, _T]) -> dict[str, _T]:
    return {name: each for name, each in by_overlay.items() if name.partition("/")[0] == environment.name}


def _collect_waiting(known: Iterable[SyncStatus], shown: Sequence[str]) -> tuple[WaitView, ...]:
    """Each reason once, with its overlays. Reasons that begin with one of `shown` repeat a request and are left out."""
    found: dict[str, list[str]] = {}
    for status in known:
        for text in status.waiting:
            sentence = clean(text, LONG)
            if not sentence.startswith(tuple(shown)):
                found.setdefault(sentence, []).append(clean(status.overlay))
    return tuple(WaitView(sentence, tuple(overlays)) for sentence, overlays in found.items())


def _collect_holds(found: Mapping[str, Hold], now: datetime) -> tuple[HoldView, ...]:
    same: dict[Hold, list[str]] = {}
    for overlay, hold in found.items():
        same.setdefault(hold, []).append(clean(overlay))
    return tuple(_show_hold(hold, overlays, now) for hold, overlays in same.items())


def _show_hold(hold: Hold, overlays: Sequence[str], now: datetime) -> HoldView:
    return HoldView(
        overlays=tuple(overlays),
        who=clean(hold.who),
        why=clean(hold.why, LONG),
        since=hold.since,
        until=hold.until,
        suspend=hold.suspend,
        is_over=not hold.is_in_force(now),
    )


def _collect_waivers(found: Mapping[str, Release]) -> tuple[WaiverView, ...]:
    same: dict[tuple[str, str], list[str]] = {}
    for overlay, release in found.items():
        waived = {"": release.waived} if isinstance(release.waived, str) else release.waived or {}
        for gate, reason in waived.items():
            same.setdefault((clean(gate), clean(reason, LONG)), []).append(clean(overlay))
    return tuple(WaiverView(tuple(overlays), gate, reason) for (gate, reason), overlays in same.items())


def _show_event(found: LineageEvent, services: Mapping[str, str], now: datetime) -> EventView:
    entry = found.entry
    return EventView(
        at=entry.at,
        deed=str(found.action),
        environments=tuple(map(clean, found.environments)),
        overlays=tuple(clean(overlay) for overlay in found.overlays),
        commit=commit_id(entry.commit),
        author=clean(entry.author.partition(" <")[0]),
        subject=clean(entry.subject),
        source=clean(found.source),
        cause=clean(found.cause),
        request=clean(found.request),
        approved_by=clean(found.approved_by),
        proven_since=found.proven_since,
        scans={clean(service): scans.word(severity) for service, severity in found.scans.items()},
        waived={clean(gate): clean(reason, LONG) for gate, reason in found.waived.items()},
        hold=_show_hold(found.hold, [clean(name) for name in found.overlays], now) if found.hold else None,
        moved=tuple(
            MovedView(clean(services[each.name]), show_image(each)) for each in found.moved if each.name in services
        ),
    )
