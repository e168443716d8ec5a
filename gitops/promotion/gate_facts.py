"""Reads what the gates of a promotion are judged by: holds, scans of images, and images that registries have lost.

Not here: whether a gate is shut (gitops/core/promotion/gates.py).
"""

from dataclasses import dataclass, replace

from gitops.core.image_updates import scans
from gitops.core.image_updates.scans import ScanAnswer
from gitops.core.images.reference import Image
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.gates import GateFacts
from gitops.core.promotion.release import OverlayMove
from gitops.ports import Clock, ImageAvailability
from gitops.promotion.snapshot import EnvironmentSnapshot
from gitops.registry_queries.build_origins import Origins
from gitops.registry_queries.scans import Scans


@dataclass(frozen=True, slots=True)
class ImageQueries:
    """Answers of registries about images. `availability` None: every image counts as present."""

    scans: Scans
    origins: Origins
    availability: ImageAvailability | None = None


class GateFactsReader:
    """Reads the facts of gates. For one thread. Within one look the same scan has the same answer: the commit names
    what opened the gate.
    """

    def __init__(self, registries: ImageQueries, clock: Clock) -> None:
        self._registries = registries
        self._clock = clock
        self._scans: dict[Image, ScanAnswer] = {}

    def begin(self) -> None:
        """A new look begins: scans are read again."""
        self._scans.clear()

    def foresee(self, snapshot: EnvironmentSnapshot) -> None:
        """Asks for the labels of images that may move soon, so that their commit can name the source revision."""
        there = {image for target in snapshot.targets.values() for image in target.locked.values()}
        newest = (proofs[0].image for proofs in snapshot.source.proofs.values() if proofs)
        self._registries.origins.foresee(image for image in newest if image not in there)

    def read(self, snapshot: EnvironmentSnapshot, move: OverlayMove) -> GateFacts:
        """The facts about one move, without approvals and waivers."""
        images, availability = move.images, self._registries.availability
        wants_scans = snapshot.route.policy.scan is not None
        return GateFacts(
            hold=snapshot.holds[move.overlay].in_force(self._clock.now()),
            moved=images,
            scans={service: self._scan(image) for service, image in images.items()} if wants_scans else {},
            absent=frozenset(name for name, each in images.items() if availability and availability.is_absent(each)),
        )

    def annotate(self, snapshot: EnvironmentSnapshot, promotion: Promotion) -> Promotion:
        """The promotion with the scans and the source revisions of its images, as far as they are known."""
        moved = [each for move in promotion.moves for each in move.images.items()]
        wants_scans = snapshot.route.policy.scan is not None
        answers = [(service, self._scan(image)) for service, image in moved] if wants_scans else []
        revisions = {service: self._registries.origins.revision(image) for service, image in moved}
        return replace(promotion, scans=scans.severities(answers), revisions=revisions)

    def _scan(self, image: Image) -> ScanAnswer:
        if image not in self._scans:
            self._scans[image] = self._registries.scans.of(image)
        return self._scans[image]
