"""The images of one service: where each came from, which environments it reached and when, where it runs now. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops.core import lineage
from gitops.core.health import Health
from gitops.core.lineage import Abandoned, Arrival, Lineage, Past
from gitops.core.pipeline import Pipeline
from gitops.core.status import Sync
from gitops.status_page.overview import Running, whereabouts
from gitops.status_page.plain import LONG, clean
from gitops.status_page.source import Statuses
from gitops.status_page.stages import stages
from gitops.status_page.views import HEALTH_TONES, ImageView, Tone, commit_id, image

MOST_IMAGES = 50


@dataclass(frozen=True, slots=True)
class ArrivalView:
    """How an image came into an overlay. `proven_since`: healthy in the environment before since then."""

    environment: str
    overlay: str
    at: datetime
    commit: str
    author: str
    deed: str
    cause: str
    request: str
    proven_since: datetime | None
    waived: dict[str, str]


@dataclass(frozen=True, slots=True)
class AbandonedView:
    """A rollback decided that the overlay never gets it again."""

    overlay: str
    at: datetime
    commit: str
    author: str
    is_still: bool


@dataclass(frozen=True, slots=True)
class LineageView:
    """One digest. `runs`: the overlays that want it now. `source_revision`: the commit it was built from, if the commit
    that brought it says so.
    """

    image: ImageView
    pushed_at: datetime | None
    source_revision: str
    arrivals: tuple[ArrivalView, ...]
    abandoned: tuple[AbandonedView, ...]
    runs: tuple[Running, ...]

    @property
    def is_rejected(self) -> bool:
        return any(found.is_still for found in self.abandoned)

    @property
    def tone(self) -> Tone:
        """That of the worst place it runs in."""
        if self.is_rejected:
            return Tone.BAD
        return max((HEALTH_TONES[run.health] for run in self.runs), key=lambda tone: tone.rank, default=Tone.OFF)


@dataclass(frozen=True, slots=True)
class ServiceView:
    """`as_of`: the commit up to which git's past was read, empty while it is read for the first time. `environments` in
    the pipeline's order. `left_out` counts the digests beyond the cap: the oldest ones.
    """

    service: str
    as_of: str
    environments: tuple[str, ...]
    images: tuple[LineageView, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class PresenceView:
    """One digest in one environment. `wanted`: git wants it there; `settled`: so it is, Synced and Healthy;
    `rejected`: it was rolled back there and does not come again.
    """

    wanted: bool
    settled: bool
    rejected: bool
    sync: Sync | None
    health: Health | None


@dataclass(frozen=True, slots=True)
class DigestView:
    """What a pipeline asks that waits for its image. `as_of` as in ServiceView; `lineage` is None while neither git nor
    the ledger knows it.
    """

    service: str
    digest: str
    as_of: str
    environments: dict[str, PresenceView]
    lineage: LineageView | None


def is_service(name: str, statuses: Statuses, pipeline: Pipeline | None) -> bool:
    """True for services that pipeline.yaml or the ledger knows."""
    declared = pipeline.services if pipeline else ()
    return name in declared or any(name in status.images for status, _ in statuses.values())


def service(name: str, statuses: Statuses, pipeline: Pipeline | None, past: Past) -> ServiceView:
    found = _known(name, statuses, pipeline, past)
    shown = tuple(_line(line, statuses, past) for line in found[:MOST_IMAGES])
    left_out = max(0, len(found) - MOST_IMAGES)
    return ServiceView(name, commit_id(past.head), _environments(statuses, pipeline), shown, left_out)


def digest(name: str, wanted: str, statuses: Statuses, told: tuple[Pipeline | None, Past]) -> DigestView:
    pipeline, past = told
    found = next((line for line in _known(name, statuses, pipeline, past) if line.digest == wanted), None)
    line = _line(found, statuses, past) if found else None
    environments = {each: _presence(each, line) for each in _environments(statuses, pipeline)}
    return DigestView(name, wanted, commit_id(past.head), environments, line)


def _environments(statuses: Statuses, pipeline: Pipeline | None) -> tuple[str, ...]:
    seen = {status.environment for status, _ in statuses.values() if status.images}
    return tuple(clean(stage.name) for stage in stages(pipeline, seen))


def _presence(environment: str, line: LineageView | None) -> PresenceView:
    runs = [run for run in line.runs if run.environment == environment] if line else []
    rejected = line is not None and any(
        found.is_still and found.overlay.partition("/")[0] == environment for found in line.abandoned
    )
    sync = max((run.sync for run in runs), key=list(Sync).index, default=None)
    health = max((run.health for run in runs), default=None)
    return PresenceView(bool(runs), sync is Sync.SYNCED and health is Health.HEALTHY, rejected, sync, health)


def _known(name: str, statuses: Statuses, pipeline: Pipeline | None, past: Past) -> list[Lineage]:
    """Newest first. What git does not tell of, the ledger may."""
    running = {each.digest: each for status, _ in statuses.values() if (each := status.images.get(name)) is not None}
    declared = pipeline.services.get(name) if pipeline else None
    called = declared.image if declared else next((each.name for each in running.values()), "")
    found = list(lineage.lineages(past.entries, name, called))
    known = {line.digest for line in found}
    for digest in sorted(each for each in running if each and each not in known):
        line = Lineage(name, running[digest])
        since = [run.since for run in _runs(line, statuses) if run.since]
        found.insert(_place(found, min(since, default=None)), line)
    return found


def _place(found: Sequence[Lineage], since: datetime | None) -> int:
    """Before the first that came earlier."""
    if since is None:
        return len(found)
    came = (line.arrivals[0].entry.at if line.arrivals else None for line in found)
    return next((place for place, at in enumerate(came) if at is not None and at < since), len(found))


def _line(found: Lineage, statuses: Statuses, past: Past) -> LineageView:
    return LineageView(
        image=image(found.image),
        pushed_at=found.pushed_at,
        source_revision=clean(found.source_revision),
        arrivals=tuple(map(_arrival, found.arrivals)),
        abandoned=tuple(_abandoned(each, found, past) for each in found.abandoned),
        runs=_runs(found, statuses),
    )


def _runs(found: Lineage, statuses: Statuses) -> tuple[Running, ...]:
    return tuple(run for run in whereabouts(statuses, found.digest) if run.service == clean(found.service))


def _arrival(found: Arrival) -> ArrivalView:
    return ArrivalView(
        environment=clean(found.environment),
        overlay=clean(found.overlay),
        at=found.entry.at,
        commit=commit_id(found.entry.commit),
        author=clean(found.entry.author.partition(" <")[0]),
        deed=str(found.deed),
        cause=clean(found.cause),
        request=clean(found.request),
        proven_since=found.proven_since,
        waived={clean(gate): clean(reason, LONG) for gate, reason in found.waived.items()},
    )


def _abandoned(found: Abandoned, line: Lineage, past: Past) -> AbandonedView:
    release = past.releases.get(found.overlay)
    now: Iterable[tuple[str, str]] = ((each.service, each.digest) for each in release.rejected) if release else ()
    return AbandonedView(
        overlay=clean(found.overlay),
        at=found.entry.at,
        commit=commit_id(found.entry.commit),
        author=clean(found.entry.author.partition(" <")[0]),
        is_still=(line.service, line.digest) in set(now),
    )
