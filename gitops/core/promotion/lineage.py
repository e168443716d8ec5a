"""Through which commits and environments images came, read from the trunk's commits below environments/. Pure.

The effect of a commit is read from the release.yaml and hold.yaml that it left. Its trailers are read only where those
files do not tell (who pushed an image, who asked): its author could claim anything. Nothing here is a proof.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice

from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.release import Hold, Release
from gitops.core.image_updates import build_origin as origin
from gitops.core.image_updates import scans
from gitops.core.image_updates.changes import (
    CAUSE_TRAILER,
    DIGEST_TRAILER,
    IMAGE_TRAILER,
    PUSHED_AT_TRAILER,
    REVISION_TRAILER,
    SERVICE_TRAILER,
)
from gitops.core.images.reference import Image, is_digest
from gitops.core.images.registry_facts import ScanSeverity
from gitops.core.parsing.models import parse_moment
from gitops.core.promotion.commits import (
    APPROVED_TRAILER,
    RELEASE_TRAILER,
    REQUEST_TRAILER,
    SCAN_TRAILER,
    SINCE_TRAILER,
    SOURCE_TRAILER,
)


class LineageAction(StrEnum):
    """The effect of a commit on an environment."""

    IMAGE = "image"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    HOLD = "hold"
    RESUME = "resume"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """One commit that touched environments/. `releases` and `holds`: of the overlays and directories whose release.yaml
    or hold.yaml it changed, the new content; None = removed. `images`: overlay -> the images of such a release.
    """

    commit: str
    at: datetime
    author: str
    subject: str
    trailers: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    releases: Mapping[str, Release | None] = field(default_factory=dict)
    holds: Mapping[str, Hold | None] = field(default_factory=dict)
    images: Mapping[str, tuple[Image, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RepoHistory:
    """The history of the environments in git. `entries` newest first, as many as are kept; `releases` and `holds` as
    they are at the head, by overlay or directory.
    """

    head: str = ""
    entries: tuple[LineageEntry, ...] = ()
    releases: Mapping[str, Release] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineageEvent:
    """One line of the timeline. `moved`: the images that it brought to `overlays`, if their images before are known;
    `scans`: service -> severity that the scan of its image found.
    """

    action: LineageAction
    environments: tuple[str, ...]
    overlays: tuple[str, ...]
    entry: LineageEntry
    source: str = ""
    cause: str = ""
    request: str = ""
    approved_by: str = ""
    proven_since: datetime | None = None
    scans: Mapping[str, ScanSeverity] = field(default_factory=dict)
    waived: Mapping[str, str] = field(default_factory=dict)
    hold: Hold | None = None
    moved: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """An image came into an overlay by a commit. `proven_since`: Healthy in the environment before from then on;
    `scan`: severity that its scan had found by then, if a scan was asked for.
    """

    action: LineageAction
    environment: str
    overlay: str
    entry: LineageEntry
    cause: str = ""
    request: str = ""
    proven_since: datetime | None = None
    scan: ScanSeverity | None = None
    waived: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A rollback noted that an overlay must not get this image again."""

    overlay: str
    entry: LineageEntry


@dataclass(frozen=True, slots=True)
class Lineage:
    """One digest of one service; `arrivals` and `abandoned` oldest first. `pushed_at`: when the registry got it."""

    service: str
    image: Image
    pushed_at: datetime | None = None
    source_revision: str = ""
    arrivals: tuple[Arrival, ...] = ()
    abandoned: tuple[Abandoned, ...] = ()

    @property
    def digest(self) -> str:
        return self.image.digest or ""


def read_action(entry: LineageEntry) -> LineageAction | None:
    """Reads the action of a commit; None for commits that move no image: of settings, of base, and the first commit of
    a promotion.
    """
    written = [found for found in entry.releases.values() if found is not None]
    if entry.releases and RELEASE_TRAILER in entry.trailers:
        return LineageAction.PROMOTION
    if any(isinstance(found.waived, dict) and "rollback" in found.waived for found in written):
        return LineageAction.ROLLBACK
    if entry.holds:
        return LineageAction.HOLD if any(found is not None for found in entry.holds.values()) else LineageAction.RESUME
    if is_digest(entry.trailers.get(DIGEST_TRAILER, "")) and SERVICE_TRAILER in entry.trailers:
        return LineageAction.IMAGE
    return LineageAction.RELEASE if entry.releases else None


def timeline(entries: Sequence[LineageEntry], most: int) -> tuple[LineageEvent, ...]:
    """The newest promotions, rollbacks and holds. Images that enter the first environment are in `lineages`."""
    moved = {entry.commit: arrived for entry, arrived in _arrivals(entries)}
    events = (
        _event(entry, what, moved[entry.commit])
        for entry in entries
        if (what := read_action(entry)) is not None and what is not LineageAction.IMAGE
    )
    return tuple(islice(events, most))


def lineages(entries: Sequence[LineageEntry], service: str, name: str) -> tuple[Lineage, ...]:
    """Every digest of a service in the entries, the newest arrival first. `name`: the name of its image."""
    found: dict[str, Lineage] = {}
    for entry in reversed(entries):
        if read_action(entry) is LineageAction.IMAGE and entry.trailers[SERVICE_TRAILER] == service:
            line = _read_push(service, entry)
            known = found.get(line.digest)
            found[line.digest] = replace(line, arrivals=((known.arrivals if known else ()) + line.arrivals))
    for entry, arrived in reversed(list(_arrivals(entries))):
        for overlay, image, _ in arrived:
            if image.name == name:
                line = found.get(image.digest or "", Lineage(service, image))
                found[line.digest] = replace(
                    line,
                    arrivals=(*line.arrivals, _arrival(entry, overlay, service)),
                    source_revision=line.source_revision or _revisions(entry).get(service, ""),
                )
    for overlay, digest, entry in _abandonments(entries, service):
        line = found.get(digest, Lineage(service, Image(name, None, digest)))
        found[digest] = replace(line, abandoned=(*line.abandoned, Abandoned(overlay, entry)))
    order = {entry.commit: place for place, entry in enumerate(reversed(entries))}
    whole = (replace(line, arrivals=_sort(line.arrivals, order)) for line in found.values())
    return tuple(sorted(whole, key=lambda line: _place(line, order), reverse=True))


def _sort(arrivals: Iterable[Arrival], order: Mapping[str, int]) -> tuple[Arrival, ...]:
    """Sorts by the order of the trunk, because committers' clocks differ."""
    return tuple(sorted(arrivals, key=lambda each: order[each.entry.commit]))


def _place(line: Lineage, order: Mapping[str, int]) -> int:
    return order[line.arrivals[0].entry.commit] if line.arrivals else -1


def _read_push(service: str, entry: LineageEntry) -> Lineage:
    trailers, environment = entry.trailers, _environment(entry)
    arrival = Arrival(LineageAction.IMAGE, environment, environment, entry, cause=trailers.get(CAUSE_TRAILER, ""))
    name, _, tag = trailers.get(IMAGE_TRAILER, "").rpartition(":")
    return Lineage(
        service=service,
        image=Image(name, tag, trailers[DIGEST_TRAILER]),
        pushed_at=parse_moment(trailers.get(PUSHED_AT_TRAILER, "")),
        source_revision=trailers.get(REVISION_TRAILER, ""),
        arrivals=(arrival,),
    )


def _revisions(entry: LineageEntry) -> Mapping[str, str]:
    """Service -> the commit that its image was built from, by the trailer of a promotion."""
    return origin.parse(entry.trailers.get(REVISION_TRAILER, ""))


def _scans(entry: LineageEntry) -> Mapping[str, ScanSeverity]:
    return scans.parse(entry.trailers.get(SCAN_TRAILER, ""))


def _arrival(entry: LineageEntry, overlay: str, service: str) -> Arrival:
    release = entry.releases[overlay]
    evidence = release.admission.services.get(service) if release and release.admission else None
    return Arrival(
        action=read_action(entry) or LineageAction.RELEASE,
        environment=overlay.partition("/")[0],
        overlay=overlay,
        entry=entry,
        cause=entry.trailers.get(CAUSE_TRAILER, ""),
        request=entry.trailers.get(REQUEST_TRAILER, ""),
        proven_since=evidence.since if evidence else None,
        scan=_scans(entry).get(service),
        waived=_read_waived(release),
    )


def _arrivals(entries: Sequence[LineageEntry]) -> Iterator[tuple[LineageEntry, tuple[tuple[str, Image, bool], ...]]]:
    """Each entry, newest first, with the images that its releases brought: (overlay, image, whether it is known which
    images the overlay had before).
    """
    held: dict[tuple[str, str], str | None] = {}
    found = []
    for entry in reversed(entries):
        new = []
        for overlay, images in entry.images.items():
            is_known = any(place == overlay for place, _ in held)
            new += [(overlay, each, is_known) for each in images if held.get((overlay, each.name)) != each.digest]
            held |= {(overlay, each.name): each.digest for each in images}
        found.append((entry, tuple(new)))
    return reversed(found)


def _abandonments(entries: Sequence[LineageEntry], service: str) -> Iterator[tuple[str, str, LineageEntry]]:
    """(overlay, digest, the commit that abandoned it), oldest first."""
    known: dict[str, frozenset[str]] = {}
    for entry in reversed(entries):
        for overlay, release in entry.releases.items():
            rejected = release.rejected if release else ()
            digests = frozenset(each.digest for each in rejected if each.service == service)
            yield from ((overlay, digest, entry) for digest in sorted(digests - known.get(overlay, frozenset())))
            known[overlay] = digests


def _event(entry: LineageEntry, what: LineageAction, arrived: Iterable[tuple[str, Image, bool]]) -> LineageEvent:
    trailers = entry.trailers
    overlays = tuple(dict.fromkeys([*entry.releases, *entry.holds]))
    releases = [found for found in entry.releases.values() if found is not None]
    return LineageEvent(
        action=what,
        environments=tuple(dict.fromkeys(overlay.partition("/")[0] for overlay in overlays)),
        overlays=overlays,
        entry=entry,
        source=trailers.get(SOURCE_TRAILER, "") if what is LineageAction.PROMOTION else "",
        cause=trailers.get(CAUSE_TRAILER, ""),
        request=trailers.get(REQUEST_TRAILER, ""),
        approved_by=trailers.get(APPROVED_TRAILER, ""),
        proven_since=parse_moment(trailers.get(SINCE_TRAILER, "")),
        scans=_scans(entry),
        waived=_read_waived(releases[0] if releases else None) if what is LineageAction.PROMOTION else {},
        hold=next((found for found in entry.holds.values() if found is not None), None),
        moved=tuple(dict.fromkeys(image for _, image, is_known in arrived if is_known)),
    )


def _read_waived(release: Release | None) -> Mapping[str, str]:
    """Gate -> the reason why a person skipped it; a waiver in one word stands under the empty name."""
    waived = release.waived if release else None
    return {"": waived} if isinstance(waived, str) else dict(waived or {})


def _environment(entry: LineageEntry) -> str:
    """The environment of the files that the commit changed: a trailer could name any."""
    found = (path.split("/") for path in entry.paths)
    return next((parts[1] for parts in found if len(parts) > 2 and parts[0] == ENVIRONMENTS), "")
