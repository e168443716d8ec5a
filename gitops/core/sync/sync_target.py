"""The target of a pass: the desired state of git or, while that is refused, the state that was applied last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gitops.core.config_repo.layout import Overlay
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync import plan
from gitops.core.sync.desired import Desired
from gitops.core.sync.plan import Outcome, Plan, Policy
from gitops.core.sync.summary import Stall

SUSPENDED = "Suspended"
"""The reason of a stall by a suspending hold: the only stall that is no refusal."""


@dataclass(frozen=True, slots=True)
class DesiredAtHead:
    """The desired state of an overlay at one head of the trunk: `desired`, or the `refusal` of a failed render."""

    overlay: Overlay
    head: str
    desired: Desired | None = None
    refusal: Stall | None = None

    @property
    def revision(self) -> Revision:
        """The commits that git wants; the head if the render failed."""
        return self.desired.revision if self.desired else Revision(self.head, self.head)


@dataclass(frozen=True, slots=True)
class AdmissionVerdict:
    """The verdict on applying an overlay. `refusal`: why it may not be applied, None = it may. `warnings`: sentences
    about violations that do not stop it. `is_breached`: True if there is a violation, None = not checked.
    """

    refusal: Stall | None = None
    warnings: tuple[str, ...] = ()
    is_breached: bool | None = None


@dataclass(frozen=True, slots=True)
class SyncTarget:
    """The state that a pass works towards. `revision`: the commits that git wants. `desired`: the state of these
    commits; if `stall` is a refusal, the state that was applied last, None = unknown. `warnings`: sentences about
    violations that do not stop it. `withheld`: why the plan is shown and not executed, empty = it is executed.
    `is_breached`: as in the verdict.
    """

    overlay: Overlay
    revision: Revision | None
    desired: Desired | None
    stall: Stall | None = None
    warnings: tuple[str, ...] = ()
    withheld: str = ""
    is_breached: bool | None = None

    @property
    def refusal(self) -> Stall | None:
        """The reason why the pass does not sync to the commits that git wants."""
        return None if self.stall is None or self.stall.reason == SUSPENDED else self.stall

    def policy(self, *, generated: bool, tolerated: Mapping[Key, frozenset[str]]) -> Policy:
        """The limits of a plan towards this target. While the overlay is stalled nothing is pruned."""
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
        """The revision that the cluster has completely after this pass; None if the pass was not complete."""
        if self.desired is None or not plan.is_whole(steps, outcomes):
            return None
        return self.desired.revision


def choose(wanted: DesiredAtHead, verdict: AdmissionVerdict, applied: Desired | None, *, now: datetime) -> SyncTarget:
    """Chooses the target of a pass. `applied`: the state that was applied last, None = nothing was applied or it cannot
    be rendered. It replaces a state that is refused. A suspending hold keeps the target and stalls it.
    """
    refusal = wanted.refusal or verdict.refusal
    if refusal is not None or wanted.desired is None:
        withheld = applied.withheld if applied else ""
        return SyncTarget(
            wanted.overlay, wanted.revision, applied, refusal, withheld=withheld, is_breached=verdict.is_breached
        )
    desired, hold = wanted.desired, wanted.desired.holds.in_force(now)
    target = SyncTarget(
        wanted.overlay, wanted.revision, desired, None, verdict.warnings, desired.withheld, verdict.is_breached
    )
    if hold is None or not hold.suspend:
        return target
    stall = Stall(SUSPENDED, f"hold.yaml of {hold.who}: {hold.why}")
    return replace(target, stall=stall, withheld=stall.message)
