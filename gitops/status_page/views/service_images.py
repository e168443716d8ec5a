"""The page of one service's images: the source of each, the environments it reached, where it runs now. Pure."""

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
from gitops.status_page.views.environments import list_environments
from gitops.status_page.views.identifiers import ImageView, commit_id, show_image
from gitops.status_page.views.overview import ServiceCell, find_digest
from gitops.status_page.views.tones import HEALTH_TONES, StatusTone

_MOST_IMAGES = 50


@dataclass(frozen=True, slots=True)
class ArrivalView:
    """The commit that brought an image into an overlay. `proven_since` is when it became Healthy in the environment
    before. `scan` is the worst finding at that time, empty if no gate asked for a scan.
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
    """A rollback that rejected the image in an overlay. `is_still`: the overlay's release still rejects it."""

    overlay: str
    at: datetime
    commit: str
    author: str
    is_still: bool


@dataclass(frozen=True, slots=True)
class OriginView:
    """The labels of an image, as the builder wrote them and without proof. A missing label is empty."""

    revision: str
    source: str
    version: str
    created: datetime | None


@dataclass(frozen=True, slots=True)
class PushView:
    """A push to the service's source from which no image was built yet. `address` is the commit's web address, empty if
    unknown.
    """

    revision: str
    ref: str
    at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class LineageView:
    """One digest. `runs` are the overlays that deploy it now. `source_revision` is the commit it was built from: taken
    from its labels, else from the commit that brought it in; `source_address` is that commit's web address. `labels`
    is None until the registry has answered.
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
        """Bad for a rejected image, else the tone of the worst health where it runs."""
        if self.is_rejected:
            return StatusTone.BAD
        return max((HEALTH_TONES[run.health] for run in self.runs), key=lambda tone: tone.rank, default=StatusTone.OFF)


@dataclass(frozen=True, slots=True)
class ServiceView:
    """`as_of` is the commit up to which git's history was read; empty before the first read has ended. `environments`
    are in the pipeline's order. `pushes` are those that this replica received a webhook for, newest first. `left_out`
    counts the digests beyond the cap, which are the oldest ones.
    """

    service: str
    as_of: str
    environments: tuple[str, ...]
    pushes: tuple[PushView, ...]
    images: tuple[LineageView, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class PresenceView:
    """One digest in one environment. `wanted`: git has it there. `settled`: it is Synced and Healthy there. `rejected`:
    it was rolled back there and will not be promoted again.
    """

    wanted: bool
    settled: bool
    rejected: bool
    sync: Sync | None
    health: Health | None


@dataclass(frozen=True, slots=True)
class DigestView:
    """The answer for a build pipeline that waits for its image. `as_of` as in ServiceView. `lineage` is None while
    neither git nor the ledger has the digest.
    """

    service: str
    digest: str
    as_of: str
    environments: dict[str, PresenceView]
    lineage: LineageView | None


def is_service(name: str, statuses: Statuses, pipeline: Pipeline | None) -> bool:
    """True if pipeline.yaml declares the service or the ledger has an image of it."""
    declared = pipeline.services if pipeline else ()
    return name in declared or any(name in status.images for status, _ in statuses.values())


def show_service(name: str, source: StatusSource) -> ServiceView:
    """Raises: Unavailable, as the source does."""
    history = _ServiceHistory(name, source)
    lines = history.lines()
    shown = tuple(history.show(line) for line in lines[:_MOST_IMAGES])
    left_out = max(0, len(lines) - _MOST_IMAGES)
    built = {line.source_revision for line in shown}
    pushes = _show_pushes(source.source_pushes(name), built, history.sources)
    return ServiceView(name, history.as_of, history.environments(), pushes, shown, left_out)


def show_digest(name: str, wanted: str, source: StatusSource) -> DigestView:
    """Raises: Unavailable, as the source does."""
    history = _ServiceHistory(name, source)
    found = next((line for line in history.lines() if line.digest == wanted), None)
    line = history.show(found) if found else None
    environments = {each: _show_presence(each, line) for each in history.environments()}
    return DigestView(name, wanted, history.as_of, environments, line)


class _ServiceHistory:
    """The data of git, the ledger and the registry about one service, read once for one answer."""

    def __init__(self, name: str, source: StatusSource) -> None:
        self._name = name
        self._source = source
        self._statuses, self._pipeline, self._past = source.statuses(), source.pipeline(), source.past()
        declared = self._pipeline.services.get(name) if self._pipeline else None
        self._image_name = declared.image if declared else ""
        self.sources = declared.sources if declared else ()

    @property
    def as_of(self) -> str:
        return commit_id(self._past.head)

    def environments(self) -> tuple[str, ...]:
        seen = {status.environment for status, _ in self._statuses.values() if status.images}
        return tuple(clean(each.name) for each in list_environments(self._pipeline, seen))

    def lines(self) -> list[Lineage]:
        """The lineages from git, newest first, and among them the running images that only the ledger knows."""
        running = {
            each.digest: each
            for status, _ in self._statuses.values()
            if (each := status.images.get(self._name)) is not None
        }
        image_name = self._image_name or next((each.name for each in running.values()), "")
        found = list(lineage.lineages(self._past.entries, self._name, image_name))
        known = {line.digest for line in found}
        for digest in sorted(each for each in running if each and each not in known):
            line = Lineage(self._name, running[digest])
            since = [run.since for run in _find_runs(line, self._statuses) if run.since]
            found.insert(_find_place(found, min(since, default=None)), line)
        return found

    def show(self, found: Lineage) -> LineageView:
        built = self._source.origin(found.image)
        revision = (built.revision if built else "") or clean(found.source_revision)
        source = built.source if built else ""
        return LineageView(
            image=show_image(found.image),
            pushed_at=found.pushed_at,
            source_revision=revision,
            source_address=web_address(origin.commit_address(revision, source, self.sources)),
            labels=_show_labels(built) if built else None,
            arrivals=tuple(map(_show_arrival, found.arrivals)),
            abandoned=tuple(_show_abandoned(each, found, self._past) for each in found.abandoned),
            runs=_find_runs(found, self._statuses),
        )


def _show_presence(environment: str, line: LineageView | None) -> PresenceView:
    runs = [run for run in line.runs if run.environment == environment] if line else []
    rejected = line is not None and any(
        found.is_still and found.overlay.partition("/")[0] == environment for found in line.abandoned
    )
    sync = max((run.sync for run in runs), key=list(Sync).index, default=None)
    health = max((run.health for run in runs), default=None)
    return PresenceView(bool(runs), sync is Sync.SYNCED and health is Health.HEALTHY, rejected, sync, health)


def _find_place(found: Sequence[Lineage], since: datetime | None) -> int:
    """The index of the first lineage that arrived before `since`; the end for None."""
    if since is None:
        return len(found)
    arrived = (line.arrivals[0].entry.at if line.arrivals else None for line in found)
    return next((place for place, at in enumerate(arrived) if at is not None and at < since), len(found))


def _show_labels(built: BuildOrigin) -> OriginView:
    return OriginView(clean(built.revision), clean(built.source), clean(built.version), built.created)


def _show_pushes(
    received: Sequence[SourcePush], built: Collection[str], sources: Sequence[str]
) -> tuple[PushView, ...]:
    return tuple(
        PushView(
            revision=commit_id(push.revision),
            ref=clean(push.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")),
            at=push.at,
            address=web_address(origin.commit_address(push.revision, "", sources)),
        )
        for push in origin.without_image(received, built)
    )


def _find_runs(found: Lineage, statuses: Statuses) -> tuple[ServiceCell, ...]:
    return tuple(run for run in find_digest(statuses, found.digest) if run.service == clean(found.service))


def _show_arrival(found: Arrival) -> ArrivalView:
    return ArrivalView(
        environment=clean(found.environment),
        overlay=clean(found.overlay),
        at=found.entry.at,
        commit=commit_id(found.entry.commit),
        author=clean(found.entry.author.partition(" <")[0]),
        deed=str(found.action),
        cause=clean(found.cause),
        request=clean(found.request),
        proven_since=found.proven_since,
        scan=scans.word(found.scan) if found.scan is not None else "",
        waived={clean(gate): clean(reason, LONG) for gate, reason in found.waived.items()},
    )


def _show_abandoned(found: Abandoned, line: Lineage, past: RepoHistory) -> AbandonedView:
    release = past.releases.get(found.overlay)
    now: Iterable[tuple[str, str]] = ((each.service, each.digest) for each in release.rejected) if release else ()
    return AbandonedView(
        overlay=clean(found.overlay),
        at=found.entry.at,
        commit=commit_id(found.entry.commit),
        author=clean(found.entry.author.partition(" <")[0]),
        is_still=(line.service, line.digest) in set(now),
    )
