"""Everything that a decision about one environment is made from, read at one head: its overlays with their releases,
and what the environment before it has proven.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
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
from gitops.core.promotion import proposal as promotion
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.proposal import PromotionSource, PromotionTarget, PromotionTerms
from gitops.core.promotion.requests import PromotionRequest
from gitops.core.revision import Revision
from gitops.desired.desired_state import DesiredState
from gitops.ports import ConfigRepo
from gitops.promotion.overlay_dirs import OverlayDirectories, OverlayDirectory
from gitops.promotion.proof_recorder import ProofRecorder

_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST_COMMITS = 100
_MOST_BUILDS = 5_000


@dataclass(frozen=True, slots=True)
class EnvironmentSnapshot:
    """One environment at one head. `source`: the environment before, `sources`: overlay -> what of it concerns that
    one; `files`: overlay -> path of its kustomization; `troubles`: overlay -> why it cannot be read, so that it stays
    where it is; `settings_follow`: the overlays' own settings go from the trunk to the cluster by automation.
    """

    name: str
    head: str
    promote: PromotePolicy
    source: PromotionSource
    sources: Mapping[str, PromotionSource]
    overlays: Mapping[str, Overlay]
    targets: Mapping[str, PromotionTarget]
    holds: Mapping[str, Holds]
    files: Mapping[str, str]
    troubles: Mapping[str, Rejected]
    settings_follow: bool


@dataclass(frozen=True, slots=True)
class _Read:
    """One overlay as the head has it."""

    target: PromotionTarget
    holds: Holds
    file: str


@dataclass(slots=True)
class _AtHead:
    """What is a function of one head. `trunk`: commits that were seen on it, which stay there while it only grows."""

    head: str = ""
    trunk: set[str] = field(default_factory=set)
    read: dict[str, _Read] = field(default_factory=dict)
    asked: dict[str, Mapping[str, str]] = field(default_factory=dict)
    unknown: set[tuple[str, str]] = field(default_factory=set)


class EnvironmentSnapshots:
    """Reads stages. What is a function of the head is remembered while it stays; of content or of commit ids, longer.
    For one thread at a time.
    """

    def __init__(self, repo: ConfigRepo, desired: DesiredState, witness: ProofRecorder) -> None:
        self._repo = repo
        self._desired = desired
        self._witness = witness
        self._directories = OverlayDirectories(repo, desired.closure)
        self._images_over = lru_cache(_MOST_BUILDS)(self._rendered_images)
        self._known = _AtHead()

    def of(self, declared: Pipeline, name: str) -> EnvironmentSnapshot:
        """An overlay that cannot be read is that overlay's trouble alone."""
        head = self._desired.head()
        before = self._known
        if head != before.head:
            has_grown = bool(before.head) and self._is_ancestor(before.head, head)
            self._known = _AtHead(head, before.trunk if has_grown else set())
        environment = declared.environments[name]
        promote = environment.promote or PromotePolicy(when="requested")
        own = {each.name: each for each in self._desired.overlays().values() if each.environment == name}
        read, troubles = self._all_read(declared, own, head)
        source, closures = self._source(declared, environment.after or "")
        targets = _side_by_side({name: each.target for name, each in read.items()})
        follow = promote.settings or ("auto" if declared.following(name) else "promote")
        return EnvironmentSnapshot(
            name=name,
            head=head,
            promote=promote,
            source=source,
            sources={name: replace(source, closures=closures(target)) for name, target in targets.items()},
            overlays=own,
            targets=targets,
            holds={name: each.holds for name, each in read.items()},
            files={name: each.file for name, each in read.items()},
            troubles=troubles,
            settings_follow=follow == "auto",
        )

    def terms(self, stage: EnvironmentSnapshot, asked: PromotionRequest) -> PromotionTerms:
        """What a request accepts: what was there at the commit that it tags, less the gates that it skips."""

        def includes(revision: Revision) -> bool:
            return all(self._is_ancestor(commit, asked.commit) for commit in (revision.base, revision.overlay))

        return PromotionTerms(
            soak=timedelta(0) if Gate.SOAK in asked.waived else stage.promote.soak,
            needs_run=Gate.RAN not in asked.waived,
            services=asked.services,
            waived="; ".join(
                f"{gate}: {reason}" for gate, reason in asked.waived.items() if gate in {Gate.SOAK, Gate.RAN}
            ),
            includes=includes,
        )

    def asked_by_commit(self, stage: EnvironmentSnapshot, name: str) -> Mapping[str, str]:
        """Service -> digest of the images that people wrote into the overlay on the trunk. What Lockstep itself wrote,
        and a person's revert of a release has left there, asks for nothing.
        """
        if name not in self._known.asked:
            place, file = stage.overlays[name], stage.files[name]
            found = promotion.written_by_hand(stage.targets[name])
            past = self._repo.history(file, _MOST_COMMITS) if found else ()
            self._known.asked[name] = {
                service: digest for service, digest in found.items() if self._is_by_a_person(place, past, service)
            }
        return self._known.asked[name]

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
            return self._images(declared, self._directories.of(place.path, commit)).get(service) if declared else None
        except Rejected:
            return None

    # -- the environment before

    def _source(
        self, declared: Pipeline, environment: str
    ) -> tuple[PromotionSource, Callable[[PromotionTarget], Callable[[str], Mapping[str, str]]]]:
        """And of a target what its `closures` are: those of the overlays that it has a part in."""
        overlays = [each for each in self._desired.overlays().values() if each.environment == environment]
        known = {each.name: proofs for each in overlays if (proofs := self._witness.proofs(each.name)) is not None}
        home = {record.service: name for name, proofs in reversed(known.items()) for record in proofs.records}
        services = tuple(sorted(declared.services))

        def closures(target: PromotionTarget) -> Callable[[str], Mapping[str, str]]:
            concerned = [each for each in overlays if not _housed(each, home) <= target.others]

            def at(base: str) -> Mapping[str, str]:
                found: dict[str, str] = {}
                for place in concerned:
                    reached = self._closures(place, base, services, declared.reference)
                    found |= {name: key for name, key in reached.items() if home.get(name, place.name) == place.name}
                return found

            return at

        source = PromotionSource(
            environment=environment,
            at=min((proofs.at for proofs in known.values()), default=_EPOCH),
            proofs={service: known[name].of(service) for service, name in home.items()},
            closures=closures(PromotionTarget("", Release(), {}, {}, self._is_later)),
            steady=frozenset[str]().union(*(proofs.steady for proofs in known.values())),
        )
        return source, closures

    def _closures(self, place: Overlay, base: str, services: tuple[str, ...], reference: str) -> Mapping[str, str]:
        """What the overlay's services would reach of a base; nothing when it cannot be composed with it."""
        try:
            own = self._directories.of(place.path, self._desired.at_head(place.name).revision.overlay)
            return self._directories.closures(own, base, services, reference)
        except Rejected:
            return {}

    # -- the environment itself

    def _all_read(
        self, declared: Pipeline, overlays: Mapping[str, Overlay], head: str
    ) -> tuple[dict[str, _Read], dict[str, Rejected]]:
        known, troubles = self._known.read, {}
        for name, place in overlays.items():
            try:
                if name not in known:
                    known[name] = self._overlay_read(declared, place, head)
            except Rejected as error:
                troubles[name] = error
        return {name: known[name] for name in overlays if name in known}, troubles

    def _overlay_read(self, declared: Pipeline, place: Overlay, head: str) -> _Read:
        """Raises: Rejected when its release.yaml, hold.yaml or kustomization cannot be read."""
        tree = self._repo.tree(head)
        own = self._directories.of(place.path, head)
        target = self._target(declared, place, own, compose.read_release(place, tree, self._repo.read) or Release())
        return _Read(target, compose.read_holds(place, tree, self._repo.read), own.kustomization)

    def _target(self, declared: Pipeline, place: Overlay, own: OverlayDirectory, release: Release) -> PromotionTarget:
        if release.waives_all and self._desired.adopted(place) != release.revision:
            release = release.model_copy(update={"waived": None})  # a word alone waives the first release only
        release = release.with_evidence_from(place.after or "")
        written, settings = self._images(declared, own), self._directories.settings(own)
        locked = self._directories.of(place.path, release.overlay) if release.overlay else None

        def lacks(base: str) -> frozenset[str]:
            if declared.services.keys() <= written.keys():
                return frozenset()
            return frozenset(self._would_run(declared, place, own, base) - written.keys())

        return PromotionTarget(
            overlay=place.name,
            release=release,
            locked=self._images(declared, locked) if locked else {},
            written=written,
            is_later=self._is_later,
            settings=settings,
            pending=locked is not None and settings != self._directories.settings(locked),
            lacks=lacks,
        )

    def _would_run(self, declared: Pipeline, place: Overlay, own: OverlayDirectory, base: str) -> Collection[str]:
        """Services that the overlay would run over a base; none when it would not render, which is said elsewhere."""
        try:
            return image_edit.by_service(self._images_over(place, own, base), declared).keys()
        except Rejected:
            return frozenset()

    def _rendered_images(self, place: Overlay, own: OverlayDirectory, base: str) -> frozenset[Image]:
        return self._desired.images_in(place, self._directories.composed(own, base))

    def _images(self, declared: Pipeline, directory: OverlayDirectory) -> dict[str, Image]:
        return self._directories.images(directory, declared)

    def _is_later(self, commit: str, than: str) -> bool:
        """Later than what a rewritten trunk has lost is all that it holds now."""
        if commit == than or not than:
            return commit != than
        return self._is_ancestor(than, commit) or (not self._is_on_trunk(than) and self._is_on_trunk(commit))

    def _is_on_trunk(self, commit: str) -> bool:
        known = self._known
        if commit not in known.trunk and self._is_ancestor(commit, known.head):
            known.trunk.add(commit)
        return commit in known.trunk

    def _is_ancestor(self, older: str, newer: str) -> bool:
        if (older, newer) in self._known.unknown:
            return False
        try:
            return self._repo.is_ancestor(older, newer)
        except Rejected:  # a commit that the repo has lost; a later head may bring it back
            self._known.unknown.add((older, newer))
            return False


def _side_by_side(targets: Mapping[str, PromotionTarget]) -> dict[str, PromotionTarget]:
    """Each knows what the others name."""
    named = {name: target.locked.keys() | target.written.keys() for name, target in targets.items()}
    everything = frozenset[str]().union(*named.values())
    return {name: replace(target, others=everything - named[name]) for name, target in targets.items()}


def _housed(place: Overlay, home: Mapping[str, str]) -> frozenset[str]:
    """The services that are proven in an overlay; while there are none, the one that it is called by."""
    called = frozenset({place.name.rpartition("/")[2]})
    return frozenset(service for service, name in home.items() if name == place.name) or called
