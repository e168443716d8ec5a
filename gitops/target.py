"""What a pass works towards: what git wants, or, when that is refused, what was applied last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from gitops.core import manifests, plan
from gitops.core.contract import admission, evidence
from gitops.core.desired import Desired
from gitops.core.errors import Rejected
from gitops.core.inventory import Parent
from gitops.core.objects import Key
from gitops.core.pipeline import Overlay
from gitops.core.plan import Outcome, Plan, Policy
from gitops.core.status import Revision
from gitops.core.summary import Stall
from gitops.desired import DesiredState

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """`revision` is what git asks for; with a `stall`, `desired` is what was applied last, if that is known."""

    overlay: Overlay
    revision: Revision | None
    desired: Desired | None
    stall: Stall | None = None

    def policy(self, *, generated: bool, tolerated: Mapping[Key, frozenset[str]]) -> Policy:
        """What a plan towards it may do. While the overlay is stalled nothing is pruned."""
        if self.desired is None or self.stall is not None:
            return Policy(kept="nothing is pruned while the overlay is stalled")
        own = self.overlay.namespace
        return Policy(
            budget=self.desired.prune_budget,
            kept=self.desired.kept,
            generated=generated,
            namespaces=frozenset({own} if own else ()),
            strip=self.desired.strip and self.desired.heal,
            tolerated=tolerated,
        )

    def applied_by(self, steps: Plan, outcomes: Mapping[Key, Outcome]) -> Revision | None:
        """The revision that the cluster has whole after this pass, None when it is not."""
        if self.desired is None or not plan.is_whole(steps, outcomes):
            return None
        return self.desired.revision


class Targets:
    """Chooses the target of a pass. Writes nothing, keeps nothing."""

    def __init__(self, desired: DesiredState, now: Callable[[], datetime]) -> None:
        self._desired = desired
        self._now = now

    def choose(self, overlay: Overlay, parent: Parent) -> Target:
        head = self._desired.head()
        try:
            desired = self._desired.at_head(overlay.name)
        except Rejected as error:
            _log.warning("stalled", reason=error.reason, message=str(error))
            refused = Stall(error.reason, str(error))
            return Target(overlay, Revision(head, head), self._last_good(overlay, parent), refused)
        unproven = self._unproven(desired, parent)
        if unproven is not None:
            return Target(overlay, desired.revision, self._last_good(overlay, parent), unproven)
        hold = desired.hold
        suspended = hold is not None and hold.suspend and hold.holds(self._now())
        stall = Stall("Suspended", f"hold.yaml of {hold.who}: {hold.why}") if hold and suspended else None
        return Target(overlay, desired.revision, desired, stall)

    def _unproven(self, desired: Desired, parent: Parent) -> Stall | None:
        """Why a release is not let in that nobody has proven. What was applied already is never stopped."""
        declared = self._desired.pipeline()
        if declared is None or desired.revision == parent.applied:
            return None
        place, release = desired.overlay, desired.release
        adopted = self._desired.adopted(place) if release and release.is_adoption else None
        images = manifests.images(desired.manifests)
        found = evidence.violations(place, release, images, declared, adopted)
        return admission.stall(found, is_admitted=False)

    def _last_good(self, overlay: Overlay, parent: Parent) -> Desired | None:
        if parent.applied is None:
            return None
        try:
            return self._desired.at(overlay, parent.applied)
        except Rejected as error:
            _log.warning("what was applied last cannot be rendered any more", reason=error.reason, message=str(error))
            return None
