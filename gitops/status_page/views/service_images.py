"""The images of one service: where each came from, which environments it reached and when, where it runs now. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.health import Health
from gitops.core.image_updates import build_origin as origin
from gitops.core.image_updates import scans
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.core.promotion import lineage
from gitops.core.promotion.lineage import Abandoned, Arrival, Lineage, RepoHistory
from gitops.core.sync.status import Sync
from gitops.status_page.safe_text import LONG, clean, web_address
from gitops.status_page.source import Statuses, StatusSource
from gitops.status_page.views.environments import stages
from gitops.status_page.views.overlay import HEALTH_TONES, ImageView, StatusTone, commit_id, image
from gitops.status_page.views.overview import ServiceCell, whereabouts

MOST_IMAGES = 50


@dataclass(frozen=True, slots=True)
class ArrivalView:
    """How an image came into an overlay. `proven_since`: healthy in the environment before since then; `scan`: the
    worst finding by then, empty where it was not asked for.
    """

    environment: str
    overlay: str
    at: datetime
    commit: str
    author: str
    deed: str
    cause: str
    request: str
    proven_since: datetime | None
    scan: str
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
class OriginView:
    """What the labels of an image say; whoever built it wrote them. Texts that are not said are empty."""

    revision: str
    source: str
    version: str
    created: datetime | None


@dataclass(frozen=True, slots=True)
class PushView:
    """A push of which there is no image yet. `address`: of the commit, for a browser; empty where nobody can tell."""

    revision: str
    ref: str
    at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class LineageView:
    """One digest. `runs`: the overlays that want it now. `source_revision`: the commit it was built from, by its labels
    or else by the commit that brought it; `source_address`: of that commit, for a browser. `labels` is None while they
    are not known.
    """

    image: ImageView
    pushed_at: datetime | None
    source_revision: str
    source_address: str
    labels: OriginView | None
    arrivals: tuple[ArrivalView, ...]
    abandoned: tuple[AbandonedView, ...]
    runs: tuple[ServiceCell, ...]

    @property
    def is_rejected(self) -> bool:
        return any(found.is_still for found in self.abandoned)

    @property
    def tone(self) -> StatusTone:
        """That of the worst place it runs in."""
        if self.is_rejected:
            return StatusTone.BAD
        return max((HEALTH_TONES[run.health] for run in self.runs), key=lambda tone: tone.rank, default=StatusTone.OFF)


@dataclass(frozen=True, slots=True)
class ServiceView:
    """`as_of`: the commit up to which git's past was read, empty while it is read for the first time. `environments` in
    the pipeline's order. `pushes`: to the service's source, newest first, as this replica has heard of them. `left_out`
    counts the digests beyond the cap: the oldest ones.
    """

    service: str
    as_of: str
    environments: tuple[str, ...]
    pushes: tuple[PushView, ...]
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


def service(name: str, told: StatusSource) -> ServiceView:
    """Raises: Unavailable as the source does."""
    known = _Known(name, told)
    found = known.lines()
    shown = tuple(known.view(line) for line in found[:MOST_IMAGES])
    left_out = max(0, len(found) - MOST_IMAGES)
    pushes = _pushes(told.source_pushes(name), {line.source_revision for line in shown}, known.sources)
    return ServiceView(name, commit_id(known.past.head), known.environments(), pushes, shown, left_out)


def digest(name: str, wanted: str, told: StatusSource) -> DigestView:
    """Raises: Unavailable as the source does."""
    known = _Known(name, told)
    found = next((line for line in known.lines() if line.digest == wanted), None)
    line = known.view(found) if found else None
    environments = {each: _presence(each, line) for each in known.environments()}
    return DigestView(name, wanted, commit_id(known.past.head), environments, line)


class _Known:
    """What is known of one service, for one answer."""

    def __init__(self, name: str, told: StatusSource) -> None:
        self._name = name
        self._told = told
        self._statuses, self._pipeline, self.past = told.statuses(), told.pipeline(), told.past()
        declared = self._pipeline.services.get(name) if self._pipeline else None
        self._called = declared.image if declared else ""
        self.sources = declared.sources if declared else ()

    def environments(self) -> tuple[str, ...]:
        return _environments(self._statuses, self._pipeline)

    def lines(self) -> list[Lineage]:
        """Newest first. What git does not tell of, the ledger may."""
        running = {
            each.digest: each
            for status, _ in self._statuses.values()
            if (each := status.images.get(self._name)) is not None
        }
        called = self._called or next((each.name for each in running.values()), "")
        found = list(lineage.lineages(self.past.entries, self._name, called))
        known = {line.digest for line in found}
        for digest in sorted(each for each in running if each and each not in known):
            line = Lineage(self._name, running[digest])
            since = [run.since for run in _runs(line, self._statuses) if run.since]
            found.insert(_place(found, min(since, default=None)), line)
        return found

    def view(self, found: Lineage) -> LineageView:
        built = self._told.origin(found.image)
        revision = (built.revision if built else "") or clean(found.source_revision)
        source = built.source if built else ""
        return LineageView(
            image=image(found.image),
            pushed_at=found.pushed_at,
            source_revision=revision,
            source_address=web_address(origin.commit_address(revision, source, self.sources)),
            labels=_labels(built) if built else None,
            arrivals=tuple(map(_arrival, found.arrivals)),
            abandoned=tuple(_abandoned(each, found, self.past) for each in found.abandoned),
            runs=_runs(found, self._statuses),
        )


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


def _place(found: Sequence[Lineage], since: datetime | None) -> int:
    """Before the first that came earlier."""
    if since is None:
        return len(found)
    came = (line.arrivals[0].entry.at if line.arrivals else None for line in found)
    return next((place for place, at in enumerate(came) if at is not None and at < since), len(found))


def _labels(built: BuildOrigin) -> OriginView:
    return OriginView(clean(built.revision), clean(built.source), clean(built.version), built.created)


def _pushes(heard: Sequence[SourcePush], built: Collection[str], sources: Sequence[str]) -> tuple[PushView, ...]:
    return tuple(
        PushView(
            revision=commit_id(push.revision),
            ref=clean(push.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")),
            at=push.at,
            address=web_address(origin.commit_address(push.revision, "", sources)),
        )
        for push in origin.without_image(heard, built)
    )


def _runs(found: Lineage, statuses: Statuses) -> tuple[ServiceCell, ...]:
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
        scan=scans.word(found.scan) if found.scan is not None else "",
        waived={clean(gate): clean(reason, LONG) for gate, reason in found.waived.items()},
    )


def _abandoned(found: Abandoned, line: Lineage, past: RepoHistory) -> AbandonedView:
    release = past.releases.get(found.overlay)
    now: Iterable[tuple[str, str]] = ((each.service, each.digest) for each in release.rejected) if release else ()
    return AbandonedView(
        overlay=clean(found.overlay),
        at=found.entry.at,
        commit=commit_id(found.entry.commit),
        author=clean(found.entry.author.partition(" <")[0]),
        is_still=(line.service, line.digest) in set(now),
    )
