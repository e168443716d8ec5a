"""Reads what a decision about one environment is made from, at one head: its overlays with their releases, and the
proofs of the environment before it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from gitops.core.config_repo import compose
from gitops.core.config_repo.commits import PastCommit
from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Holds, Release
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.core.promotion import proposal
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.inputs import PromotionRoute, PromotionSource, PromotionTarget, PromotionTerms
from gitops.core.promotion.requests import PromotionRequest
from gitops.desired.desired_state import DesiredState
from gitops.ports import ConfigRepo
from gitops.promotion.overlay_dirs import OverlayDirectories, OverlayDirectory
from gitops.promotion.proof_recorder import ProofRecorder
from gitops.promotion.trunk_order import CommitOfRequest, TrunkOrder

_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST_COMMITS = 100
_MOST_BUILDS = 5_000


@dataclass(frozen=True, slots=True)
class EnvironmentSnapshot:
    """One environment at one head. `source`: the environment before it; `sources`: overlay -> the part of `source` that
    concerns it; `files`: overlay -> path of its kustomization; `troubles`: overlay -> why it cannot be read, so that it
    stays as it is.
    """

    head: str
    route: PromotionRoute
    source: PromotionSource
    sources: Mapping[str, PromotionSource]
    overlays: Mapping[str, Overlay]
    targets: Mapping[str, PromotionTarget]
    holds: Mapping[str, Holds]
    files: Mapping[str, str]
    troubles: Mapping[str, Rejected]

    @property
    def name(self) -> str:
        return self.route.environment


@dataclass(frozen=True, slots=True)
class _ReadOverlay:
    """One overlay as the head has it."""

    target: PromotionTarget
    holds: Holds
    file: str


@dataclass(slots=True)
class _HeadCache:
    """Results that are valid for one head. `edited`: overlay -> service -> digest that a person wrote."""

    head: str = ""
    read: dict[str, _ReadOverlay] = field(default_factory=dict)
    edited: dict[str, Mapping[str, str]] = field(default_factory=dict)


class EnvironmentSnapshots:
    """Reads snapshots. Results that depend on the head are kept while it stays; results that depend on content or
    commit ids, longer. For one thread at a time.
    """

    def __init__(self, repo: ConfigRepo, desired: DesiredState, recorder: ProofRecorder) -> None:
        self._repo = repo
        self._desired = desired
        self._recorder = recorder
        self._order = TrunkOrder(repo)
        self._directories = OverlayDirectories(repo, desired)
        self._images_over = lru_cache(_MOST_BUILDS)(self._render_images)
        self._cache = _HeadCache()

    def read(self, declared: Pipeline, name: str) -> EnvironmentSnapshot:
        """Reads one environment. An unreadable overlay goes to `troubles`; the others continue.

        Raises: Rejected, Unavailable.
        """
        head = self._desired.head()
        self._order.take_in(head)
        if head != self._cache.head:
            self._cache = _HeadCache(head)
        environment = declared.environments[name]
        own = {each.name: each for each in self._desired.overlays().values() if each.environment == name}
        read, troubles = self._read_overlays(declared, own, head)
        proofs = _SourceProofs(self._desired, self._directories, self._recorder, declared, environment.after or "")
        targets = _side_by_side({name: each.target for name, each in read.items()})
        source = proofs.source(None)
        promote = environment.promote or PromotePolicy(when="requested")
        follow = promote.settings or ("auto" if declared.following(name) else "promote")
        return EnvironmentSnapshot(
            head=head,
            route=PromotionRoute(name, source.environment, promote, settings_follow=follow == "auto"),
            source=source,
            sources={name: proofs.source(target) for name, target in targets.items()},
            overlays=own,
            targets=targets,
            holds={name: each.holds for name, each in read.items()},
            files={name: each.file for name, each in read.items()},
            troubles=troubles,
        )

    def terms(self, snapshot: EnvironmentSnapshot, request: PromotionRequest) -> PromotionTerms:
        """The release that a request promotes: the proofs known at the tagged commit, without the gates it skips."""
        skipped = {Gate.SOAK, Gate.RAN}
        return PromotionTerms(
            soak=timedelta(0) if Gate.SOAK in request.waived else snapshot.route.policy.soak,
            needs_run=Gate.RAN not in request.waived,
            services=request.services,
            waived="; ".join(f"{gate}: {reason}" for gate, reason in request.waived.items() if gate in skipped),
            tagged=CommitOfRequest(self._order, request.commit),
        )

    def edited_by_people(self, snapshot: EnvironmentSnapshot, name: str) -> Mapping[str, str]:
        """Service -> digest of the images that people wrote into the overlay on the trunk. Images that Lockstep wrote,
        and that a person's revert of a release has left there, ask for nothing.
        """
        if name not in self._cache.edited:
            place, file = snapshot.overlays[name], snapshot.files[name]
            found = proposal.edited_by_hand(snapshot.targets[name])
            past = self._repo.history(file, _MOST_COMMITS) if found else ()
            self._cache.edited[name] = {
                service: digest for service, digest in found.items() if self._is_by_a_person(place, past, service)
            }
        return self._cache.edited[name]

    def _is_by_a_person(self, place: Overlay, past: Sequence[PastCommit], service: str) -> bool:
        """True when the newest of these commits that changed the service's image is no commit of automation."""
        images = [self._image_at(place, commit.id, service) for commit in past]
        changes = (
            commit for commit, now, before in zip(past, images, [*images[1:], None], strict=True) if now != before
        )
        writer = next(changes, None)
        return writer is not None and not any(name.startswith("Lockstep-") for name in writer.trailers)

    def _image_at(self, place: Overlay, commit: str, service: str) -> Image | None:
        declared = self._desired.pipeline()
        try:
            directory = self._directories.read(place.path, commit)
            return self._directories.images(directory, declared).get(service) if declared else None
        except Rejected:
            return None

    def _read_overlays(
        self, declared: Pipeline, overlays: Mapping[str, Overlay], head: str
    ) -> tuple[dict[str, _ReadOverlay], dict[str, Rejected]]:
        known, troubles = self._cache.read, {}
        for name, place in overlays.items():
            try:
                if name not in known:
                    known[name] = self._read_overlay(declared, place, head)
            except Rejected as error:
                troubles[name] = error
        return {name: known[name] for name in overlays if name in known}, troubles

    def _read_overlay(self, declared: Pipeline, place: Overlay, head: str) -> _ReadOverlay:
        """Raises: Rejected when its release.yaml, hold.yaml or kustomization cannot be read."""
        tree = self._repo.tree(head)
        own = self._directories.read(place.path, head)
        target = self._read_target(
            declared, place, own, compose.read_release(place, tree, self._repo.read) or Release()
        )
        return _ReadOverlay(target, compose.read_holds(place, tree, self._repo.read), own.kustomization)

    def _read_target(
        self, declared: Pipeline, place: Overlay, own: OverlayDirectory, release: Release
    ) -> PromotionTarget:
        if release.waives_all and self._desired.first_release(place) != release.revision:
            release = release.model_copy(update={"waived": None})  # a word alone waives the first release only
        release = release.with_evidence_from(place.after or "")
        written, settings = self._directories.images(own, declared), self._directories.settings(own)
        locked = self._directories.read(place.path, release.overlay) if release.overlay else None
        return PromotionTarget(
            overlay=place.name,
            release=release,
            locked=self._directories.images(locked, declared) if locked else {},
            written=written,
            order=self._order,
            settings=settings,
            pending=locked is not None and settings != self._directories.settings(locked),
            newcomers=_AddedServices(self, declared, place, own, written.keys()),
        )

    def services_over(self, declared: Pipeline, place: Overlay, own: OverlayDirectory, base: str) -> Collection[str]:
        """Services that the overlay would run over a base; none when it would not render, which its pass reports."""
        try:
            return image_edit.by_service(self._images_over(place, own, base), declared).keys()
        except Rejected:
            return frozenset()

    def _render_images(self, place: Overlay, own: OverlayDirectory, base: str) -> frozenset[Image]:
        return self._desired.images_in(place, self._directories.composed(own, base))


@dataclass(frozen=True, slots=True)
class _AddedServices:
    """Implements NewServices of gitops/core/promotion/inputs.py, for one overlay at the head."""

    snapshots: EnvironmentSnapshots
    declared: Pipeline
    place: Overlay
    own: OverlayDirectory
    written: Collection[str]

    def at(self, base: str) -> frozenset[str]:
        if self.declared.services.keys() <= frozenset(self.written):
            return frozenset()
        found = self.snapshots.services_over(self.declared, self.place, self.own, base)
        return frozenset(found) - frozenset(self.written)


class _SourceProofs:
    """The proofs of the environment before, as one look finds them."""

    def __init__(
        self,
        desired: DesiredState,
        directories: OverlayDirectories,
        recorder: ProofRecorder,
        declared: Pipeline,
        environment: str,
    ) -> None:
        overlays = [each for each in desired.overlays().values() if each.environment == environment]
        self._desired = desired
        self._directories = directories
        self._declared = declared
        self._environment = environment
        self._overlays = overlays
        self._known = {each.name: found for each in overlays if (found := recorder.proofs(each.name)) is not None}
        self._home = {record.service: name for name, found in reversed(self._known.items()) for record in found.records}

    def source(self, target: PromotionTarget | None) -> PromotionSource:
        """The source of one target: of the closures only those of overlays that concern it. None = of all."""
        others = target.others if target is not None else frozenset[str]()
        concerned = [each for each in self._overlays if not self._services_of(each) <= others]
        return PromotionSource(
            environment=self._environment,
            at=min((found.at for found in self._known.values()), default=_EPOCH),
            proofs={service: self._known[name].of(service) for service, name in self._home.items()},
            closures=_Closures(self, tuple(concerned)),
            steady=frozenset[str]().union(*(found.steady for found in self._known.values())),
        )

    def closures(self, place: Overlay, base: str) -> Mapping[str, str]:
        """Closures of the services that are proven in this overlay, or nowhere; empty when it cannot be composed."""
        services = tuple(sorted(self._declared.services))
        try:
            own = self._directories.read(place.path, self._desired.at_head(place.name).revision.overlay)
            reached = self._directories.closures(own, base, services, self._declared.reference)
        except Rejected:
            return {}
        return {name: key for name, key in reached.items() if self._home.get(name, place.name) == place.name}

    def _services_of(self, place: Overlay) -> frozenset[str]:
        """Services that are proven in an overlay; before there are any, the service that the overlay is named after."""
        named = frozenset({place.name.rpartition("/")[2]})
        return frozenset(service for service, name in self._home.items() if name == place.name) or named


@dataclass(frozen=True, slots=True)
class _Closures:
    """Implements BaseClosures of gitops/core/promotion/inputs.py."""

    proofs: _SourceProofs
    overlays: tuple[Overlay, ...]

    def at(self, base: str) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for place in self.overlays:
            found |= self.proofs.closures(place, base)
        return found


def _side_by_side(targets: Mapping[str, PromotionTarget]) -> dict[str, PromotionTarget]:
    """The targets, each with the services that only the other ones name."""
    named = {name: target.locked.keys() | target.written.keys() for name, target in targets.items()}
    everything = frozenset[str]().union(*named.values())
    return {name: replace(target, others=everything - named[name]) for name, target in targets.items()}
