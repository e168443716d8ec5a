"""Everything that a decision about one environment is made from, read at one head: its overlays with their releases,
and what the environment before it has proven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gitops.core import compose, overlay, promotion, proof
from gitops.core.errors import Rejected
from gitops.core.gates import Gate
from gitops.core.guard import Guard
from gitops.core.images import Image
from gitops.core.pipeline import KUSTOMIZATION_FILES, Overlay, Pipeline, Promote
from gitops.core.promotion import Source, Target, Terms
from gitops.core.release import HOLD_FILE, RELEASE_FILE, Holds, Release
from gitops.core.requests import Request
from gitops.core.status import Revision
from gitops.core.tree import Tree
from gitops.desired import DesiredState
from gitops.ports import ConfigRepo, PastCommit
from gitops.witness import Witness

_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST_COMMITS = 100


@dataclass(frozen=True, slots=True)
class Stage:
    """One environment at one head. `files`: overlay -> path of its kustomization; `settings_follow`: the overlays' own
    settings go from the trunk to the cluster by automation.
    """

    name: str
    head: str
    promote: Promote
    source: Source
    overlays: Mapping[str, Overlay]
    targets: Mapping[str, Target]
    holds: Mapping[str, Holds]
    files: Mapping[str, str]
    settings_follow: bool


class Stages:
    """Reads stages. What is a function of commits alone is remembered while the head stays."""

    def __init__(self, repo: ConfigRepo, desired: DesiredState, witness: Witness) -> None:
        self._repo = repo
        self._desired = desired
        self._witness = witness
        self._guard = Guard(repo.read)
        self._head = ""
        self._reached: dict[tuple[str, Revision], Mapping[str, str]] = {}

    def of(self, declared: Pipeline, name: str) -> Stage:
        """Raises: Rejected when a release.yaml, hold.yaml or kustomization of the environment cannot be read."""
        head = self._desired.head()
        if head != self._head:
            self._head, self._reached = head, {}
        environment = declared.environments[name]
        promote = environment.promote or Promote(when="requested")
        own = {each.name: each for each in self._desired.overlays().values() if each.environment == name}
        tree = self._repo.tree(head)
        follow = promote.settings or ("auto" if declared.following(name) else "promote")
        return Stage(
            name=name,
            head=head,
            promote=promote,
            source=self._source(declared, environment.after or ""),
            overlays=own,
            targets={each.name: self._target(declared, each, head) for each in own.values()},
            holds={each.name: compose.holds(each, tree, self._repo.read) for each in own.values()},
            files={each.name: _kustomization(each, tree) for each in own.values()},
            settings_follow=follow == "auto",
        )

    def terms(self, stage: Stage, asked: Request) -> Terms:
        """What a request accepts: what was there at the commit that it tags, less the gates that it skips."""

        def includes(revision: Revision) -> bool:
            return all(self._is_ancestor(commit, asked.commit) for commit in (revision.base, revision.overlay))

        return Terms(
            soak=timedelta(0) if Gate.SOAK in asked.waived else stage.promote.soak,
            needs_run=Gate.RAN not in asked.waived,
            services=asked.services,
            waived="; ".join(
                f"{gate}: {reason}" for gate, reason in asked.waived.items() if gate in {Gate.SOAK, Gate.RAN}
            ),
            includes=includes,
        )

    def asked_by_commit(self, stage: Stage, name: str) -> dict[str, str]:
        """Service -> digest of the images that people wrote into the overlay on the trunk. What Lockstep itself wrote,
        and a person's revert of a release has left there, asks for nothing.
        """
        place, file = stage.overlays[name], stage.files[name]
        found = promotion.written_by_hand(stage.targets[name])
        past = self._repo.history(file, _MOST_COMMITS) if found else ()
        return {service: digest for service, digest in found.items() if self._is_by_a_person(place, past, service)}

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
            return self._images(declared, place, self._repo.tree(commit)).get(service) if declared else None
        except Rejected:
            return None

    # -- the environment before

    def _source(self, declared: Pipeline, environment: str) -> Source:
        overlays = [each for each in self._desired.overlays().values() if each.environment == environment]
        known = {each.name: proofs for each in overlays if (proofs := self._witness.proofs(each.name)) is not None}
        home = {record.service: name for name, proofs in reversed(known.items()) for record in proofs.records}
        services = tuple(sorted(declared.services))

        def closures(base: str) -> Mapping[str, str]:
            found: dict[str, str] = {}
            for place in overlays:
                reached = self._closures(place, base, services, declared.reference)
                found |= {name: key for name, key in reached.items() if home.get(name, place.name) == place.name}
            return found

        return Source(
            environment=environment,
            at=min((proofs.at for proofs in known.values()), default=_EPOCH),
            proofs={service: known[name].of(service) for service, name in home.items()},
            closures=closures,
            steady=frozenset[str]().union(*(proofs.steady for proofs in known.values())),
        )

    def _closures(self, place: Overlay, base: str, services: tuple[str, ...], reference: str) -> Mapping[str, str]:
        """What the overlay's services would reach of a base; nothing when it cannot be composed with it."""
        try:
            revision = Revision(base, self._desired.at_head(place.name).revision.overlay)
            if (place.name, revision) not in self._reached:
                tree = compose.composed(place, revision, self._repo.tree)
                files = self._guard.closure(tree, place.path).files
                self._reached[place.name, revision] = proof.closures(files, services, reference)
            return self._reached[place.name, revision]
        except Rejected:
            return {}

    # -- the environment itself

    def _target(self, declared: Pipeline, place: Overlay, head: str) -> Target:
        tree = self._repo.tree(head)
        release = compose.release(place, tree, self._repo.read) or Release()
        if release.is_adoption and self._desired.adopted(place) != release.revision:
            release = release.model_copy(update={"waived": None})  # a word alone waives the first release only
        release = release.given_by(place.after or "")
        written = self._images(declared, place, tree)
        locked = self._images(declared, place, self._repo.tree(release.overlay)) if release.overlay else {}
        pending = bool(release.overlay) and self._settings(place, tree) != self._settings(
            place, self._repo.tree(release.overlay or head)
        )

        def lacks(base: str) -> frozenset[str]:
            if declared.services.keys() <= written.keys():
                return frozenset()
            return self._wanted(declared, place, Revision(base, head)) - written.keys()

        return Target(
            overlay=place.name,
            release=release,
            locked=locked,
            written=written,
            is_later=self._is_later,
            settings=self._settings(place, tree),
            pending=pending,
            lacks=lacks,
        )

    def _wanted(self, declared: Pipeline, place: Overlay, revision: Revision) -> frozenset[str]:
        """Services that the overlay would run at a revision; none when it would not render, which is said elsewhere."""
        services = {service.image: name for name, service in declared.services.items()}
        try:
            found = self._desired.images_at(place, revision)
        except Rejected:
            return frozenset()
        return frozenset(services[image.name] for image in found if image.name in services)

    def _images(self, declared: Pipeline, place: Overlay, tree: Tree) -> dict[str, Image]:
        file = _kustomization(place, tree)
        services = {service.image: name for name, service in declared.services.items()}
        found = overlay.images(self._repo.read(tree[file].id), file)
        return {services[image.name]: image for image in found if image.name in services}

    def _settings(self, place: Overlay, tree: Tree) -> str:
        automation = {f"{place.path}/{RELEASE_FILE}", f"{place.path}/{HOLD_FILE}"}
        own = {
            path: blob for path, blob in tree.items() if path.startswith(place.path + "/") and path not in automation
        }
        return proof.settings(place.path, own, self._repo.read)

    def _is_later(self, commit: str, than: str) -> bool:
        """Later than what a rewritten trunk has lost is all that it holds now."""
        if commit == than or not than:
            return commit != than
        head = self._desired.head()
        return self._is_ancestor(than, commit) or (
            not self._is_ancestor(than, head) and self._is_ancestor(commit, head)
        )

    def _is_ancestor(self, older: str, newer: str) -> bool:
        try:
            return self._repo.is_ancestor(older, newer)
        except Rejected:
            return False


def _kustomization(place: Overlay, tree: Tree) -> str:
    found = next((f"{place.path}/{name}" for name in KUSTOMIZATION_FILES if f"{place.path}/{name}" in tree), None)
    if found is None:
        raise Rejected("MissingFile", f"{place.path} has no kustomization in one of the commits of its release")
    return found
