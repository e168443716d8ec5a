"""What a pass works towards: what git wants, or, when that is refused, what was applied last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from gitops.contract.surveyor import ContractHead, OverlayAtTree
from gitops.core.config_repo.layout import Overlay
from gitops.core.contract import admission
from gitops.core.contract import release_evidence as evidence
from gitops.core.contract.violations import Violation
from gitops.core.errors import Conflict, Rejected
from gitops.core.manifests import container_images
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Parent
from gitops.core.revision import Revision
from gitops.core.sync import plan
from gitops.core.sync.desired import Desired
from gitops.core.sync.plan import Outcome, Plan, Policy
from gitops.core.sync.summary import Stall
from gitops.desired.desired_state import DesiredState

_log = structlog.get_logger(__name__)

_TRIES = 20
SUSPENDED = "Suspended"
"""The reason of a stall that is no refusal: a hold asks for it."""


@dataclass(frozen=True, slots=True)
class SyncTarget:
    """`revision` is what git asks for; with a `stall`, `desired` is what was applied last, if that is known.

    `warnings`: what of it breaks the contract though it is let in, in sentences.
    """

    overlay: Overlay
    revision: Revision | None
    desired: Desired | None
    stall: Stall | None = None
    warnings: tuple[str, ...] = ()

    @property
    def refusal(self) -> Stall | None:
        """Why what git asks for is not worked towards."""
        return None if self.stall is None or self.stall.reason == SUSPENDED else self.stall

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


class AdmissionJudge(Protocol):
    """What finds the violations of an overlay, as gitops.contract.admission.ContractAdmission does."""

    def judge(
        self, name: str, docket: ContractHead, before: Mapping[str, OverlayAtTree | None] | None = None
    ) -> tuple[Violation, ...]: ...


Applied = Callable[[str], Revision | None]
"""What an overlay was last applied from as a whole, as far as that is known."""


class SyncTargets:
    """Chooses the target of a pass. Writes nothing. `breached`: overlays in which it found a violation."""

    def __init__(
        self, desired: DesiredState, judge: AdmissionJudge, applied: Applied, now: Callable[[], datetime]
    ) -> None:
        self._desired = desired
        self._judge = judge
        self._applied = applied
        self._now = now
        self._breached: set[str] = set()
        self._compared: dict[str, tuple[str, Revision, bool]] = {}

    @property
    def breached(self) -> frozenset[str]:
        return frozenset(self._breached)

    def choose(self, overlay: Overlay, parent: Parent) -> SyncTarget:
        """What is wanted and what it is judged by are of one head, also while a new one is taken in.

        Raises: Conflict when the trunk moves faster than that; Unavailable.
        """
        for _ in range(_TRIES):
            head = self._desired.head()
            found = self._chosen(overlay, parent, head)
            if self._desired.head() == head:
                return found
        raise Conflict("TrunkMoved", "new heads arrive faster than one can be judged")

    def _chosen(self, overlay: Overlay, parent: Parent, head: str) -> SyncTarget:
        try:
            desired = self._desired.at_head(overlay.name)
        except Rejected as error:
            _log.warning("stalled", reason=error.reason, message=str(error))
            refused = Stall(error.reason, str(error))
            return SyncTarget(overlay, Revision(head, head), self._last_good(overlay, parent), refused)
        breach, warnings = self._judged(desired, parent)
        if breach is not None:
            _log.warning("stalled", reason=breach.reason, message=breach.message)
            return SyncTarget(overlay, desired.revision, self._last_good(overlay, parent), breach)
        hold = desired.holds.in_force(self._now())
        stall = Stall(SUSPENDED, f"hold.yaml of {hold.who}: {hold.why}") if hold and hold.suspend else None
        return SyncTarget(overlay, desired.revision, desired, stall, warnings)

    def _judged(self, desired: Desired, parent: Parent) -> tuple[Stall | None, tuple[str, ...]]:
        """Why the overlay is not let in, None = it is, with what is said of it all the same."""
        is_let_in = self._is_let_in(desired, parent)
        try:
            unproven = () if is_let_in else self._unproven(desired)
            found = (*unproven, *self._violations(desired, is_let_in=is_let_in), *_strayed(desired))
        except Rejected as error:
            self._breached.add(desired.overlay.name)
            return (None, (str(error),)) if is_let_in else (Stall(error.reason, str(error)), ())
        breach = admission.stall(found, is_admitted=is_let_in)
        if breach is not None and self._renders_as_before(desired, parent):
            return None, admission.warnings(found)
        return breach, admission.warnings(found)

    def _renders_as_before(self, desired: Desired, parent: Parent) -> bool:
        """True when only files changed that make no difference, such as a comment. Asked for when it matters."""
        try:
            return parent.applied is not None and self._desired.at(desired.overlay, parent.applied).is_equal(desired)
        except Rejected:
            return False

    def _violations(self, desired: Desired, *, is_let_in: bool) -> tuple[Violation, ...]:
        """What the overlay is charged with, beside what the others are about to run and what they still do. What two
        environments break together is charged to the one in which it is new, to the earlier one when that is both or
        none; which those are is only asked for when it matters.
        """
        name, docket = desired.overlay.name, self._desired.docket()
        if desired.overlay.is_platform:
            return ()
        if name not in docket.situations:
            raise Conflict("TrunkMoved", f"{name} left the trunk while it was looked at")
        found = self._judge.judge(name, docket) if is_let_in else ()
        if not is_let_in or any(each.is_mutual for each in found):
            found = self._judge.judge(name, docket, self._new())
        (self._breached.add if found else self._breached.discard)(name)
        return found

    def _is_let_in(self, desired: Desired, parent: Parent) -> bool:
        """True for what was let in before, and for what is only looked at: nothing is written in observe mode."""
        if desired.withheld:
            return True
        return parent.applied is not None and self._desired.is_same(desired, parent.applied)

    def _new(self) -> dict[str, OverlayAtTree | None]:
        """The overlays whose files are not those that were applied last, each with what was."""
        found: dict[str, OverlayAtTree | None] = {}
        for name, overlay in self._desired.overlays().items():
            applied = None if overlay.is_platform else self._applied(name)
            if not overlay.is_platform and not (applied and self._is_same(name, applied)):
                found[name] = self._desired.situation_at(overlay, applied) if applied else None
        return found

    def _is_same(self, name: str, applied: Revision) -> bool:
        try:
            desired = self._desired.at_head(name)
        except Rejected:
            return False
        known = self._compared.get(name)
        if known is None or known[:2] != (desired.key, applied):
            self._compared[name] = known = (desired.key, applied, self._desired.is_same(desired, applied))
        return known[2]

    def _unproven(self, desired: Desired) -> tuple[Violation, ...]:
        """What of its release nobody has proven."""
        declared, place, release = self._desired.pipeline(), desired.overlay, desired.release
        if declared is None or release is None:
            return ()
        adopted = self._desired.adopted(place) if release.waives_all else None
        return evidence.find_unproven(place, release, container_images.images(desired.manifests), declared, adopted)

    def _last_good(self, overlay: Overlay, parent: Parent) -> Desired | None:
        if parent.applied is None:
            return None
        try:
            return self._desired.at(overlay, parent.applied)
        except Rejected as error:
            _log.warning("what was applied last cannot be rendered any more", reason=error.reason, message=str(error))
            return None


def _strayed(desired: Desired) -> tuple[Violation, ...]:
    """Warns of commits that the trunk has lost."""
    return evidence.find_off_trunk(desired.overlay, desired.revision, dict.fromkeys(desired.strayed, True))
