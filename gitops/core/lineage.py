"""Where images came from and where they went, as the trunk's commits below environments/ tell. Pure.

What a commit did is read from what it left in release.yaml and hold.yaml, and only where they cannot tell (who pushed
an image, who asked) from its trailers: those are claims of whoever wrote the commit. Nothing here is a proof.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice

from gitops.core.changes import CAUSE_TRAILER, DIGEST_TRAILER, IMAGE_TRAILER, PUSHED_AT_TRAILER, SERVICE_TRAILER
from gitops.core.images import is_digest
from gitops.core.pipeline import ENVIRONMENTS
from gitops.core.promotion_commits import (
    APPROVED_TRAILER,
    RELEASE_TRAILER,
    REQUEST_TRAILER,
    SINCE_TRAILER,
    SOURCE_TRAILER,
)
from gitops.core.release import Hold, Release
from gitops.core.schema import moment

SOURCE_REVISION_TRAILER = "Lockstep-Source-Revision"


class Deed(StrEnum):
    """What a commit did to an environment."""

    IMAGE = "image"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    HOLD = "hold"
    RESUME = "resume"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit that touched environments/. `releases` and `holds`: of the overlays and directories whose release.yaml
    or hold.yaml it changed, what it left there; None = removed.
    """

    commit: str
    at: datetime
    author: str
    subject: str
    trailers: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    releases: Mapping[str, Release | None] = field(default_factory=dict)
    holds: Mapping[str, Hold | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """What git says of the environments: `entries` newest first, as many as are remembered, and what stands beside each
    overlay at the head.
    """

    head: str = ""
    entries: tuple[Entry, ...] = ()
    releases: Mapping[str, Release] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline. `moved`: service -> digest of what is new there by it; `overlays`: where."""

    deed: Deed
    environment: str
    overlays: tuple[str, ...]
    entry: Entry
    source: str = ""
    cause: str = ""
    request: str = ""
    approved_by: str = ""
    proven_since: datetime | None = None
    waived: Mapping[str, str] = field(default_factory=dict)
    hold: Hold | None = None
    moved: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An image came into an overlay by a commit. `proven_since`: healthy in the environment before from then on."""

    deed: Deed
    environment: str
    overlay: str
    entry: Entry
    cause: str = ""
    request: str = ""
    proven_since: datetime | None = None
    waived: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A rollback noted that an overlay must not get this image again."""

    overlay: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Lineage:
    """One digest of one service; `arrivals` and `abandoned` oldest first. `pushed_at`: when the registry got it."""

    service: str
    digest: str
    image: str = ""
    pushed_at: datetime | None = None
    source_revision: str = ""
    arrivals: tuple[Arrival, ...] = ()
    abandoned: tuple[Abandoned, ...] = ()


def deed(entry: Entry) -> Deed | None:
    """None for what is no step of an image: settings, base, and the commit that only prepares a promotion."""
    written = [found for found in entry.releases.values() if found is not None]
    if entry.releases and RELEASE_TRAILER in entry.trailers:
        return Deed.PROMOTION
    if any(isinstance(found.waived, dict) and "rollback" in found.waived for found in written):
        return Deed.ROLLBACK
    if entry.holds:
        return Deed.HOLD if any(found is not None for found in entry.holds.values()) else Deed.RESUME
    if is_digest(entry.trailers.get(DIGEST_TRAILER, "")) and SERVICE_TRAILER in entry.trailers:
        return Deed.IMAGE
    return Deed.RELEASE if entry.releases else None


def timeline(entries: Sequence[Entry], most: int) -> tuple[Event, ...]:
    """The newest promotions, rollbacks and holds. Images that enter the first environment are told by `lineages`."""
    moved = {entry.commit: arrived for entry, arrived in _arrivals(entries)}
    told = (
        _event(entry, what, moved.get(entry.commit, ()))
        for entry in entries
        if (what := deed(entry)) is not None and what is not Deed.IMAGE
    )
    return tuple(islice(told, most))


def pushed(entries: Iterable[Entry]) -> dict[str, str]:
    """Digest -> `name:tag`, the newest one, of every image that an entry brought."""
    found: dict[str, str] = {}
    for entry in entries:
        if deed(entry) is Deed.IMAGE:
            found.setdefault(entry.trailers[DIGEST_TRAILER], entry.trailers.get(IMAGE_TRAILER, ""))
    return found


def lineages(entries: Sequence[Entry], service: str) -> tuple[Lineage, ...]:
    """Every digest of a service that the entries know, the one that came last first."""
    found: dict[str, Lineage] = {}
    for entry in reversed(entries):
        if deed(entry) is Deed.IMAGE and entry.trailers[SERVICE_TRAILER] == service:
            line = _pushed(service, entry)
            known = found.get(line.digest)
            found[line.digest] = replace(line, arrivals=((known.arrivals if known else ()) + line.arrivals))
    for entry, arrived in reversed(list(_arrivals(entries))):
        for overlay, name, digest in arrived:
            if name == service:
                line = found.get(digest, Lineage(service, digest))
                found[digest] = replace(line, arrivals=(*line.arrivals, _arrival(entry, overlay, service)))
    for overlay, digest, entry in _abandonments(entries, service):
        line = found.get(digest, Lineage(service, digest))
        found[digest] = replace(line, abandoned=(*line.abandoned, Abandoned(overlay, entry)))
    order = {entry.commit: place for place, entry in enumerate(reversed(entries))}
    return tuple(sorted(found.values(), key=lambda line: _place(line, order), reverse=True))


def _place(line: Lineage, order: Mapping[str, int]) -> int:
    """By the trunk's order, since clocks of committers differ."""
    return order[line.arrivals[0].entry.commit] if line.arrivals else -1


def _pushed(service: str, entry: Entry) -> Lineage:
    trailers, environment = entry.trailers, _environment(entry)
    arrival = Arrival(Deed.IMAGE, environment, environment, entry, cause=trailers.get(CAUSE_TRAILER, ""))
    return Lineage(
        service=service,
        digest=trailers[DIGEST_TRAILER],
        image=trailers.get(IMAGE_TRAILER, ""),
        pushed_at=moment(trailers.get(PUSHED_AT_TRAILER, "")),
        source_revision=trailers.get(SOURCE_REVISION_TRAILER, ""),
        arrivals=(arrival,),
    )


def _arrival(entry: Entry, overlay: str, service: str) -> Arrival:
    release = entry.releases[overlay]
    evidence = release.admission.services.get(service) if release and release.admission else None
    return Arrival(
        deed=deed(entry) or Deed.RELEASE,
        environment=overlay.partition("/")[0],
        overlay=overlay,
        entry=entry,
        cause=entry.trailers.get(CAUSE_TRAILER, ""),
        request=entry.trailers.get(REQUEST_TRAILER, ""),
        proven_since=evidence.since if evidence else None,
        waived=_waived(release),
    )


def _arrivals(entries: Sequence[Entry]) -> Iterator[tuple[Entry, tuple[tuple[str, str, str], ...]]]:
    """Each commit that wrote a release, newest first, with what is new by it: (overlay, service, digest)."""
    held: dict[tuple[str, str], str] = {}
    found = []
    for entry in reversed(entries):
        new = []
        for overlay, release in entry.releases.items():
            known = release.admission.services if release and release.admission else {}
            for service, evidence in known.items():
                if held.get((overlay, service)) != evidence.digest:
                    held[overlay, service] = evidence.digest
                    new.append((overlay, service, evidence.digest))
        if entry.releases:
            found.append((entry, tuple(new)))
    return reversed(found)


def _abandonments(entries: Sequence[Entry], service: str) -> Iterator[tuple[str, str, Entry]]:
    """(overlay, digest, the commit that abandoned it), oldest first."""
    known: dict[str, frozenset[str]] = {}
    for entry in reversed(entries):
        for overlay, release in entry.releases.items():
            rejected = release.rejected if release else ()
            digests = frozenset(each.digest for each in rejected if each.service == service)
            yield from ((overlay, digest, entry) for digest in sorted(digests - known.get(overlay, frozenset())))
            known[overlay] = digests


def _event(entry: Entry, what: Deed, moved: Iterable[tuple[str, str, str]]) -> Event:
    trailers = entry.trailers
    overlays = tuple(dict.fromkeys([*entry.releases, *entry.holds]))
    releases = [found for found in entry.releases.values() if found is not None]
    return Event(
        deed=what,
        environment=_environment(entry),
        overlays=overlays,
        entry=entry,
        source=trailers.get(SOURCE_TRAILER, "") if what is Deed.PROMOTION else "",
        cause=trailers.get(CAUSE_TRAILER, ""),
        request=trailers.get(REQUEST_TRAILER, ""),
        approved_by=trailers.get(APPROVED_TRAILER, ""),
        proven_since=moment(trailers.get(SINCE_TRAILER, "")),
        waived=_waived(releases[0] if releases else None) if what is Deed.PROMOTION else {},
        hold=next((found for found in entry.holds.values() if found is not None), None),
        moved={service: digest for _, service, digest in moved},
    )


def _waived(release: Release | None) -> Mapping[str, str]:
    """Gates that a person skipped, with the reasons; a bare word says what stands for a gate."""
    waived = release.waived if release else None
    return {"": waived} if isinstance(waived, str) else dict(waived or {})


def _environment(entry: Entry) -> str:
    """That of the files it changed: a trailer could name any."""
    found = (path.split("/") for path in entry.paths)
    return next((parts[1] for parts in found if len(parts) > 2 and parts[0] == ENVIRONMENTS), "")
