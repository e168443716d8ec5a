"""Asks whether a promotion may be written now, and notes in it what was known of its images then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gitops.core.image_updates import scans
from gitops.core.image_updates.scans import ScanAnswer
from gitops.core.images.reference import Image
from gitops.core.promotion import gates
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.gates import GateFacts, ShutGate
from gitops.core.promotion.proposal import OverlayMove
from gitops.promotion.snapshot import EnvironmentSnapshot
from gitops.registry_queries.build_origins import Origins
from gitops.registry_queries.scans import Scans

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class ImageQueries:
    """What is known of images from their registries. `is_absent`: what its registry is known to have no more."""

    scans: Scans
    origins: Origins
    is_absent: Callable[[Image], bool] = lambda _: False


class GateCheck:
    """For one thread. Within one look the same scan is the same: what opened a gate is what the commit says."""

    def __init__(self, registries: ImageQueries, now: Callable[[], datetime]) -> None:
        self._registries = registries
        self._now = now
        self._told: dict[Image, ScanAnswer] = {}

    def begin(self) -> None:
        """A new look: what was known at the last one counts no more."""
        self._told.clear()

    def foresee(self, stage: EnvironmentSnapshot) -> None:
        """Asks for the labels of what may move soon, so that its commit can name where it was built from."""
        there = {image for target in stage.targets.values() for image in target.locked.values()}
        newest = (proofs[0].image for proofs in stage.source.proofs.values() if proofs)
        self._registries.origins.foresee(image for image in newest if image not in there)

    def shut(
        self,
        stage: EnvironmentSnapshot,
        move: OverlayMove,
        approved: int | None = None,
        waived: Mapping[str, str] = _NOTHING,
    ) -> tuple[ShutGate, ...]:
        """The gates that keep the move from being written. `approved`, `waived` as in gates.Facts."""
        now = self._now()
        facts = GateFacts(
            hold=stage.holds[move.overlay].in_force(now),
            approved=approved,
            waived=waived,
            moved=move.images,
            scans={service: self._scan(image) for service, image in move.images.items()} if stage.promote.scan else {},
            absent=frozenset(name for name, image in move.images.items() if self._registries.is_absent(image)),
        )
        return gates.shut(stage.promote, now, facts)

    def noted(self, stage: EnvironmentSnapshot, made: Promotion) -> Promotion:
        """The promotion with what is known of its images."""
        moved = [each for move in made.moves for each in move.images.items()]
        told = [(service, self._scan(image)) for service, image in moved] if stage.promote.scan else []
        revisions = {service: self._registries.origins.revision(image) for service, image in moved}
        return replace(made, scans=scans.severities(told), revisions=revisions)

    def _scan(self, image: Image) -> ScanAnswer:
        if image not in self._told:
            self._told[image] = self._registries.scans.of(image)
        return self._told[image]
