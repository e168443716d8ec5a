"""Watches what runs, for as long as it runs: each pass is a look, and the time between two looks counts when both can
be trusted. What comes of it are the proofs that promotions are made from.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.images.reference import Image
from gitops.core.manifests import container_images
from gitops.core.objects import Key
from gitops.core.promotion import proof
from gitops.core.promotion.proof import ProofLook, Proofs, ProofSighting, RunningService
from gitops.core.sync.desired import Desired
from gitops.core.sync.status import Sync, SyncStatus
from gitops.ports import ProofLedger

_log = structlog.get_logger(__name__)

_WRITE_EVERY = timedelta(seconds=60)
"""A restart loses at most this much observed time."""
_ASK_EVERY = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class ProofSources:
    """`running` lists the images of ready pods of a namespace; `read` returns the content of a blob id; `is_observing`
    is False while nobody can tell how things are: not leading, or watches that fail.
    """

    ledger: ProofLedger
    pipeline: Callable[[], Pipeline | None]
    running: Callable[[str], Collection[Image]]
    read: Callable[[str], bytes]
    now: Callable[[], datetime]
    is_observing: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _AppliedRender:
    """An overlay as its last pass left it."""

    namespace: str
    environment: str
    running: Mapping[str, RunningService]
    looks: Mapping[str, ProofLook]


@dataclass(slots=True)
class _KnownProofs:
    scenes: dict[str, _AppliedRender] = field(default_factory=dict)
    contents: dict[str, tuple[str, Mapping[str, RunningService]]] = field(default_factory=dict)
    proofs: dict[str, Proofs] = field(default_factory=dict)
    written_at: dict[str, datetime] = field(default_factory=dict)
    asked_at: dict[str, datetime] = field(default_factory=dict)


class ProofRecorder:
    """Thread-safe. Every method raises as ProofLedger does."""

    def __init__(self, senses: ProofSources) -> None:
        self._senses = senses
        self._memory = _KnownProofs()
        self._terms = 0
        self._has_recalled = False
        self._lock = threading.RLock()

    def recall(self) -> None:
        """Begins a term: this replica starts to lead, and another one may have written since."""
        with self._lock:
            self._memory = _KnownProofs()
            self._terms += 1
            self._has_recalled = True

    def forget(self) -> None:
        """Ends it: others may write from now on. Nothing is seen, told or written until `recall`."""
        with self._lock:
            self._memory = _KnownProofs()
            self._has_recalled = False

    @property
    def term(self) -> int | None:
        """Another one for each time that this replica leads; None while it does not, or knows nothing yet. What was
        found out in one term is not to be acted upon in the next.
        """
        with self._lock:
            return self._terms if self._has_recalled else None

    def observe_pass(self, desired: Desired | None, status: SyncStatus) -> None:
        """One pass is over. `desired` None: the overlay is stalled, so what runs is not what git wants."""
        declared, overlay = self._senses.pipeline(), status.overlay
        with self._lock:
            if not self._has_recalled:
                return
            if declared is None or desired is None or not declared.following(status.environment):
                self._lose_sight(overlay)
                return
            running, looks = self._running(declared, desired), _looks(desired, status, declared)
            self._memory.scenes[overlay] = _AppliedRender(desired.overlay.namespace, status.environment, running, looks)
            self._look(overlay)

    def look_again(self) -> None:
        """Time has passed and nothing was reported: what looked good still does."""
        with self._lock:
            for overlay in list(self._memory.scenes):
                self._look(overlay)

    def keep_only(self, overlays: Collection[str]) -> None:
        """The others are gone from git: nobody looks at them, or writes what they prove."""
        with self._lock:
            memory = self._memory
            for known in (memory.scenes, memory.contents, memory.proofs, memory.written_at, memory.asked_at):
                for gone in known.keys() - set(overlays):
                    known.pop(gone)

    def proofs(self, overlay: str) -> Proofs | None:
        """What the overlay has proven so far; None when nothing is known."""
        with self._lock:
            return self._known(overlay) if self._has_recalled else None

    def _lose_sight(self, overlay: str) -> None:
        self._memory.scenes.pop(overlay, None)
        known = self._memory.proofs.get(overlay)
        if known is not None:
            self._memory.proofs[overlay] = proof.paused(known, self._senses.now())

    def _known(self, overlay: str) -> Proofs | None:
        if overlay not in self._memory.proofs:
            stored = self._senses.ledger.read_proofs(overlay)
            if stored is None:
                return None
            self._memory.proofs[overlay] = replace(stored, steady=frozenset())
        return self._memory.proofs[overlay]

    def _look(self, overlay: str) -> None:
        scene, now = self._memory.scenes[overlay], self._senses.now()
        before = self._known(overlay)
        if not self._senses.is_observing():
            if before is not None:
                self._memory.proofs[overlay] = proof.paused(before, now)
            return
        enough = self._enough(scene.environment)
        sighting = ProofSighting(now, scene.running, scene.looks, self._ran(overlay, scene, before, now))
        after = proof.observe(before, sighting, enough)
        self._memory.proofs[overlay] = after
        self._write(overlay, before, after, enough)

    def _write(self, overlay: str, before: Proofs | None, after: Proofs, enough: timedelta) -> None:
        written_at = self._memory.written_at.get(overlay)
        is_due = written_at is None or after.at - written_at >= _WRITE_EVERY
        if proof.is_news(before, after, enough) or (is_due and not proof.is_settled(after, enough)):
            self._senses.ledger.write_proofs(overlay, after)
            self._memory.written_at[overlay] = after.at

    def _enough(self, environment: str) -> timedelta:
        """The longest soak that an environment behind this one asks for."""
        declared = self._senses.pipeline()
        soaks = [
            promote.soak
            for name in (declared.following(environment) if declared else ())
            if declared is not None and (promote := declared.environments[name].promote) is not None
        ]
        return max(soaks, default=timedelta(0))

    def _ran(self, overlay: str, scene: _AppliedRender, before: Proofs | None, now: datetime) -> frozenset[str]:
        """Services of which a ready pod is seen now; asked for only while that is not known yet."""
        asked_at = self._memory.asked_at.get(overlay)
        unseen = {
            service: running.image
            for service, running in scene.running.items()
            if scene.looks.get(service) is ProofLook.GOOD and not _has_run(before, service, running)
        }
        if not unseen or (asked_at is not None and now - asked_at < _ASK_EVERY and not _is_new(before, scene)):
            return frozenset()
        self._memory.asked_at[overlay] = now
        ready = {(image.name, image.digest) for image in self._senses.running(scene.namespace)}
        return frozenset(service for service, image in unseen.items() if (image.name, image.digest) in ready)

    def _running(self, declared: Pipeline, desired: Desired) -> Mapping[str, RunningService]:
        """By content of the build, so that an unchanged overlay costs nothing."""
        name = desired.overlay.name
        key, known = self._memory.contents.get(name, ("", {}))
        if key != desired.key:
            services = sorted(set(desired.images) & set(declared.services))
            reached = proof.closures(desired.files, declared.services, declared.reference)
            own = proof.settings(desired.overlay.path, desired.files, self._senses.read)
            known = {
                service: RunningService(desired.images[service], reached[service], own, desired.revision)
                for service in services
            }
            self._memory.contents[name] = (desired.key, known)
        return known


def _has_run(before: Proofs | None, service: str, running: RunningService) -> bool:
    records = before.of(service) if before else ()
    return bool(records) and records[0].is_of(running) and records[0].ran


def _is_new(before: Proofs | None, scene: _AppliedRender) -> bool:
    """True when something looks good for the first time."""
    steady = before.steady if before else frozenset()
    return any(look is ProofLook.GOOD and service not in steady for service, look in scene.looks.items())


def _looks(desired: Desired, status: SyncStatus, declared: Pipeline) -> dict[str, ProofLook]:
    """For each service the health of its own objects and of those that are nobody's."""
    owners = _owners(desired, declared)
    found = {}
    for service in desired.images:
        objects = [each for each in status.objects if owners.get(each.key, service) == service]
        is_whole = bool(objects) and all(each.sync is Sync.SYNCED for each in objects)
        found[service] = proof.look([each.health for each in objects], is_whole=is_whole)
    return found


def _owners(desired: Desired, declared: Pipeline) -> dict[Key, str]:
    """Objects that belong to one service: workloads that use its image, and whatever has its name."""
    services = {service.image: name for name, service in declared.services.items()}
    found: dict[Key, str] = {}
    for manifest in desired.manifests:
        used = {services[image.name] for image in container_images.images_of(manifest.body) if image.name in services}
        if len(used) == 1:
            found[manifest.key] = used.pop()
        elif not used and manifest.key.name in declared.services:
            found[manifest.key] = manifest.key.name
    return found
