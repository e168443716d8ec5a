"""Proofs: which images ran in an overlay without trouble, on which files, and for how long.

A proof is about content: the digest, the files of base that the service reaches and the overlay's own settings. Commit
ids prove nothing, so a commit that changes none of the three neither proves nor unproves. The clock counts observed
time only. A lost record is proven anew, never assumed.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from gitops.core.config_repo.layout import KUSTOMIZATION_FILES
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.tree import Blob
from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.json_records import JsonRecord
from gitops.core.revision import Revision

LONGEST_GAP = timedelta(seconds=60)
"""The time between two looks that lie further apart was not observed, so it does not count."""

_MOST_RECORDS = 10
"""Kept for each service: the newest keys, proven or not."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """One service of an overlay as git wants it, by content. `closure`: the files it reaches outside environments/;
    `settings`: the overlay's own, without the images. `revision` is where this content was composed from.
    """

    image: Image
    closure: str
    settings: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class Proof:
    """One key of one service. `observed`: seconds without trouble so far; `healthy_since`: the first healthy look of
    the unbroken run, None before it; `ran`: a ready pod of exactly this image was seen.
    """

    service: str
    image: Image
    closure: str
    settings: str
    revision: Revision
    observed: float = 0.0
    healthy_since: datetime | None = None
    ran: bool = False

    def is_of(self, running: RunningService) -> bool:
        """Compares the key, without tag and revision."""
        key = (running.image.name, running.image.digest, running.closure, running.settings)
        return (self.image.name, self.image.digest, self.closure, self.settings) == key

    def is_proven(self, soak: timedelta, *, needs_run: bool = True) -> bool:
        """True if the service was Healthy for `soak` without trouble and a ready pod was seen.

        A waiver (`needs_run` False) replaces the pod.
        """
        long_enough = self.healthy_since is not None and self.observed >= soak.total_seconds()
        return long_enough and (self.ran or not needs_run)


class ProofLook(Enum):
    """The result of one look at a service. BAD resets its clock, PAUSED stops it for a while."""

    GOOD = auto()
    PAUSED = auto()
    BAD = auto()


@dataclass(frozen=True, slots=True)
class ProofSighting:
    """One look at an overlay whose render is applied whole. `ran`: services of which a ready pod was seen."""

    at: datetime
    running: Mapping[str, RunningService]
    looks: Mapping[str, ProofLook]
    ran: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Proofs:
    """The proofs of one overlay at the time `at`. `records` newest key first; `steady`: services that looked good then.
    After a restart no service is steady: the time in between was not observed.
    """

    at: datetime
    records: tuple[Proof, ...] = ()
    steady: frozenset[str] = frozenset()

    def of(self, service: str) -> tuple[Proof, ...]:
        """The proofs of one service, newest key first: the first is of the content that runs now, or ran last."""
        return tuple(record for record in self.records if record.service == service)


PROOFS_JSON: JsonRecord[Proofs] = JsonRecord(Proofs)


def observe(before: Proofs | None, sighting: ProofSighting, enough: timedelta) -> Proofs:
    """The proofs after one more look. Clocks stop at `enough`, the longest soak that a later environment asks for.
    Images without a digest prove nothing.
    """
    before = before or Proofs(sighting.at)
    records: list[Proof] = []
    pinned = {name: found for name, found in sighting.running.items() if found.image.digest}
    for service, running in sorted(pinned.items()):
        known = before.of(service)
        records += _continue(known, _current(service, known, running), before, sighting, enough)
    steady = frozenset(service for service in pinned if sighting.looks.get(service) is ProofLook.GOOD)
    return Proofs(sighting.at, tuple(records), steady)


def pause(before: Proofs, at: datetime) -> Proofs:
    """The proofs while the services are not observed: clocks stop, and go on with the next good look."""
    return Proofs(at, before.records)


def look(healths: Collection[Health], *, is_whole: bool) -> ProofLook:
    """The look at a service whose objects have these healths. `is_whole`: exactly what git wants is applied."""
    worst = max(healths, default=Health.UNKNOWN)
    if worst in {Health.DEGRADED, Health.MISSING}:
        return ProofLook.BAD
    return ProofLook.GOOD if is_whole and worst <= Health.SUSPENDED else ProofLook.PAUSED


def is_settled(proofs: Proofs, enough: timedelta) -> bool:
    """True if the newest record of each service is complete: more observation can only reset it."""
    newest = {record.service: record for record in reversed(proofs.records)}
    return all(record.is_proven(enough) for record in newest.values())


def is_news(before: Proofs | None, after: Proofs, enough: timedelta) -> bool:
    """True if more than the observed seconds changed, so that a person or a promotion would see a difference."""
    return before is None or _essence(before, enough) != _essence(after, enough)


def closures(files: Mapping[str, Blob], services: Collection[str], reference: str) -> dict[str, str]:
    """Service -> a hash over the files that it reaches outside environments/: every file that the overlay's build
    reads, except those in the directory of another service (`<reference>/<service>/`). A service without a directory
    of its own there reaches all of them.
    """
    shared = {path: blob for path, blob in files.items() if not path.startswith(ENVIRONMENTS + "/")}
    owners = {path: _owner(path, services, reference) for path in shared}
    with_directory = set(owners.values())
    found = {}
    for service in services:
        own = {path: blob for path, blob in shared.items() if owners[path] in {"", service}}
        found[service] = _hash(own if service in with_directory else shared)
    return found


def settings(path: str, files: Mapping[str, Blob], read: Callable[[str], bytes]) -> str:
    """A hash over the overlay's own files that a build reads; of its kustomization everything but `images`.

    Raises: Rejected(InvalidYaml) for a kustomization that is none.
    """
    own = {name: blob for name, blob in files.items() if name.startswith(path + "/")}
    kustomizations = [name for name in own if name in {f"{path}/{file}" for file in KUSTOMIZATION_FILES}]
    digest = hashlib.sha256()
    for name in kustomizations:
        value = yaml_reader.document(read(own.pop(name).id), name).value
        kept = {key: held for key, held in value.items() if key != "images"} if isinstance(value, dict) else value
        digest.update(json.dumps(kept, sort_keys=True).encode())
    digest.update(_hash(own).encode())
    return digest.hexdigest()


def _current(service: str, known: tuple[Proof, ...], running: RunningService) -> Proof:
    if known and known[0].is_of(running):
        return replace(known[0], image=running.image)
    return Proof(service, running.image, running.closure, running.settings, running.revision)


def _continue(
    known: tuple[Proof, ...], current: Proof, before: Proofs, sighting: ProofSighting, enough: timedelta
) -> list[Proof]:
    service = current.service
    is_same = bool(known) and known[0].is_of(sighting.running[service])
    gained = _observe_time(before, sighting) if is_same and service in before.steady else 0.0
    found = sighting.looks.get(service, ProofLook.PAUSED)
    if found is ProofLook.BAD:
        current = replace(current, observed=0.0, healthy_since=None)
    else:
        since = current.healthy_since or (sighting.at if found is ProofLook.GOOD else None)
        observed = max(current.observed, min(current.observed + gained, enough.total_seconds()))
        current = replace(current, observed=observed, healthy_since=since)
    current = replace(current, ran=current.ran or service in sighting.ran)
    others = [proof for proof in known[is_same:] if not proof.is_of(sighting.running[service])]
    return [current, *others][:_MOST_RECORDS]


def _observe_time(before: Proofs, sighting: ProofSighting) -> float:
    elapsed = sighting.at - before.at
    return elapsed.total_seconds() if timedelta(0) < elapsed <= LONGEST_GAP else 0.0


def _essence(proofs: Proofs, enough: timedelta) -> tuple[Proof, ...]:
    most = enough.total_seconds()
    return tuple(replace(record, observed=float(record.observed >= most)) for record in proofs.records)


def _owner(path: str, services: Collection[str], reference: str) -> str:
    inside = path.removeprefix(reference + "/")
    name, slash, _ = inside.partition("/")
    return name if slash and inside != path and name in services else ""


def _hash(files: Mapping[str, Blob]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"\0{name}\0{files[name].mode}\0{files[name].id}".encode())
    return digest.hexdigest()
