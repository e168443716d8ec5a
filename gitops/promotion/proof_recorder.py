"""Records proofs: which images ran without trouble, on which files, and for how long. Promotions are made from them.

Each pass is a look at what runs; the time between two looks counts when both can be trusted. Not here: the rule that
turns looks into proofs (gitops/core/promotion/proof.py).
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.manifests import container_images
from gitops.core.objects import Key
from gitops.core.promotion import proof
from gitops.core.promotion.proof import ProofLook, Proofs, ProofSighting, RunningService
from gitops.core.sync.desired import Desired
from gitops.core.sync.status import Sync, SyncStatus
from gitops.desired.desired_state import DesiredState
from gitops.ports import Clock, Cluster, Observation, ProofLedger, Trees

_log = structlog.get_logger(__name__)

_WRITE_EVERY = timedelta(seconds=60)
"""A restart loses at most this much observed time."""
_ASK_EVERY = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class ProofSources:
    """The sources of the proof recorder. `observation` tells whether this replica sees the cluster as it is: it leads,
    and its watches work.
    """

    ledger: ProofLedger
    desired: DesiredState
    cluster: Cluster
    repo: Trees
    clock: Clock
    observation: Observation


@dataclass(frozen=True, slots=True)
class _AppliedRender:
    """An overlay after its last pass."""

    namespace: str
    environment: str
    running: Mapping[str, RunningService]
    looks: Mapping[str, ProofLook]


@dataclass(slots=True)
class _TermProofs:
    """Proofs and looks of one term of leadership, by overlay. `contents`: key of the build -> what it runs."""

    applied: dict[str, _AppliedRender] = field(default_factory=dict)
    contents: dict[str, tuple[str, Mapping[str, RunningService]]] = field(default_factory=dict)
    proofs: dict[str, Proofs] = field(default_factory=dict)
    written_at: dict[str, datetime] = field(default_factory=dict)
    asked_at: dict[str, datetime] = field(default_factory=dict)


class ProofRecorder:
    """Implements ports.PassObserver and ports.TermState. Thread-safe. Every method raises as ProofLedger does."""

    def __init__(self, sources: ProofSources) -> None:
        self._sources = sources
        self._state = _TermProofs()
        self._terms = 0
        self._has_recalled = False
        self._lock = threading.RLock()

    def recall(self) -> None:
        """Begins a term: this replica starts to lead, and another one may have written proofs in between."""
        with self._lock:
            self._state = _TermProofs()
            self._terms += 1
            self._has_recalled = True

    def forget(self) -> None:
        """Ends the term: other replicas may write from now on. Nothing is recorded or written until `recall`."""
        with self._lock:
            self._state = _TermProofs()
            self._has_recalled = False

    @property
    def term(self) -> int | None:
        """The number of the present term; None while this replica does not lead, or has not recalled yet. A caller
        must not act in one term on what it read in an earlier one.
        """
        with self._lock:
            return self._terms if self._has_recalled else None

    def observe_pass(self, desired: Desired | None, status: SyncStatus) -> None:
        """Records the result of a pass. `desired` None: the overlay is stalled, so it does not run what git wants."""
        declared, overlay = self._sources.desired.pipeline(), status.overlay
        with self._lock:
            if not self._has_recalled:
                return
            if declared is None or desired is None or not declared.following(status.environment):
                self._lose_sight(overlay)
                return
            running, looks = self._read_running(declared, desired), _looks(desired, status, declared)
            self._state.applied[overlay] = _AppliedRender(desired.overlay.namespace, status.environment, running, looks)
            self._look(overlay)

    def observe_again(self) -> None:
        """Adds the time since the last look to services that were Healthy."""
        with self._lock:
            for overlay in list(self._state.applied):
                self._look(overlay)

    def keep_only(self, overlays: Collection[str]) -> None:
        """Forgets the other overlays: git no longer has them."""
        with self._lock:
            state = self._state
            for known in (state.applied, state.contents, state.proofs, state.written_at, state.asked_at):
                for gone in known.keys() - set(overlays):
                    known.pop(gone)

    def proofs(self, overlay: str) -> Proofs | None:
        """The proofs of the overlay so far; None when nothing is known."""
        with self._lock:
            return self._read_proofs(overlay) if self._has_recalled else None

    def _lose_sight(self, overlay: str) -> None:
        self._state.applied.pop(overlay, None)
        known = self._state.proofs.get(overlay)
        if known is not None:
            self._state.proofs[overlay] = proof.pause(known, self._sources.clock.now())

    def _read_proofs(self, overlay: str) -> Proofs | None:
        if overlay not in self._state.proofs:
            stored = self._sources.ledger.read_proofs(overlay)
            if stored is None:
                return None
            self._state.proofs[overlay] = replace(stored, steady=frozenset())
        return self._state.proofs[overlay]

    def _look(self, overlay: str) -> None:
        applied, now = self._state.applied[overlay], self._sources.clock.now()
        before = self._read_proofs(overlay)
        if not self._sources.observation.is_observing():
            if before is not None:
                self._state.proofs[overlay] = proof.pause(before, now)
            return
        enough = self._longest_soak(applied.environment)
        sighting = ProofSighting(now, applied.running, applied.looks, self._read_ran(overlay, applied, before, now))
        after = proof.observe(before, sighting, enough)
        self._state.proofs[overlay] = after
        self._write(overlay, before, after, enough)

    def _write(self, overlay: str, before: Proofs | None, after: Proofs, enough: timedelta) -> None:
        written_at = self._state.written_at.get(overlay)
        is_due = written_at is None or after.at - written_at >= _WRITE_EVERY
        if proof.is_news(before, after, enough) or (is_due and not proof.is_settled(after, enough)):
            self._sources.ledger.write_proofs(overlay, after)
            self._state.written_at[overlay] = after.at

    def _longest_soak(self, environment: str) -> timedelta:
        """The longest soak that a later environment asks for."""
        declared = self._sources.desired.pipeline()
        soaks = [
            promote.soak
            for name in (declared.following(environment) if declared else ())
            if declared is not None and (promote := declared.environments[name].promote) is not None
        ]
        return max(soaks, default=timedelta(0))

    def _read_ran(self, overlay: str, applied: _AppliedRender, before: Proofs | None, now: datetime) -> frozenset[str]:
        """Services of which a ready pod is seen now. The cluster is asked only while that is not known yet."""
        asked_at = self._state.asked_at.get(overlay)
        unseen = {
            service: running.image
            for service, running in applied.running.items()
            if applied.looks.get(service) is ProofLook.GOOD and not _has_run(before, service, running)
        }
        if not unseen or (asked_at is not None and now - asked_at < _ASK_EVERY and not _is_new(before, applied)):
            return frozenset()
        self._state.asked_at[overlay] = now
        ready = {(image.name, image.digest) for image in self._sources.cluster.running(applied.namespace)}
        return frozenset(service for service, image in unseen.items() if (image.name, image.digest) in ready)

    def _read_running(self, declared: Pipeline, desired: Desired) -> Mapping[str, RunningService]:
        """Service -> what git wants of it. Kept by content of the build: an unchanged overlay costs nothing."""
        name = desired.overlay.name
        key, known = self._state.contents.get(name, ("", {}))
        if key != desired.key:
            services = sorted(set(desired.images) & set(declared.services))
            reached = proof.closures(desired.files, declared.services, declared.reference)
            own = proof.settings(desired.overlay.path, desired.files, self._sources.repo.read)
            known = {
                service: RunningService(desired.images[service], reached[service], own, desired.revision)
                for service in services
            }
            self._state.contents[name] = (desired.key, known)
        return known


def _has_run(before: Proofs | None, service: str, running: RunningService) -> bool:
    records = before.of(service) if before else ()
    return bool(records) and records[0].is_of(running) and records[0].ran


def _is_new(before: Proofs | None, applied: _AppliedRender) -> bool:
    """True when something looks good for the first time."""
    steady = before.steady if before else frozenset()
    return any(look is ProofLook.GOOD and service not in steady for service, look in applied.looks.items())


def _looks(desired: Desired, status: SyncStatus, declared: Pipeline) -> dict[str, ProofLook]:
    """One look at each service: the health of its own objects, and of objects that belong to no service."""
    owners = _owners(desired, declared)
    found = {}
    for service in desired.images:
        objects = [each for each in status.objects if owners.get(each.key, service) == service]
        is_whole = bool(objects) and all(each.sync is Sync.SYNCED for each in objects)
        found[service] = proof.look([each.health for each in objects], is_whole=is_whole)
    return found


def _owners(desired: Desired, declared: Pipeline) -> dict[Key, str]:
    """Object -> the one service that it belongs to: a workload that uses its image, or an object with its name."""
    services = {service.image: name for name, service in declared.services.items()}
    found: dict[Key, str] = {}
    for manifest in desired.manifests:
        used = {services[image.name] for image in container_images.images_of(manifest.body) if image.name in services}
        if len(used) == 1:
            found[manifest.key] = used.pop()
        elif not used and manifest.key.name in declared.services:
            found[manifest.key] = manifest.key.name
    return found
