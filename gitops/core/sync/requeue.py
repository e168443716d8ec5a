"""The time until an overlay is rechecked without a change: RequeueAfter of controller-runtime, as a rule. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops.core.errors import Unavailable
from gitops.core.objects import Key
from gitops.core.sync.plan import RETAINED, Cause, Configure, Outcome, Plan, Skipped
from gitops.core.sync.retention import RECHECK_SECONDS
from gitops.core.sync.status import Action


@dataclass(frozen=True, slots=True)
class RequeueFacts:
    """The facts of a pass beside its plan. `waits`: object -> seconds until its drift may be healed again.
    `status_due`: seconds until the status is written that the ledger does not have yet, None = it has the newest.
    `was_healthy`: the overlay was Synced and Healthy since this replica leads. `asked_references`: whether running Pods
    were asked what they refer to, since the last write.
    """

    waits: Mapping[Key, float] = field(default_factory=dict)
    status_due: float | None = None
    was_healthy: bool = False
    asked_references: bool = False


def delay(steps: Plan, outcomes: Mapping[Key, Outcome], facts: RequeueFacts) -> float | None:
    """Seconds until the next pass; None = only a change brings it. The first reason counts, in this order:

    1. An object could not be applied: the queue tries again with backoff. Raises: Unavailable(Incomplete).
    2. Drift waits to be healed.
    3. A dry run showed no difference: at once, since fields of others that it hid are seen now.
    4. The ledger does not have the newest status.
    5. Generated ConfigMaps or Secrets are kept until nothing that runs refers to them.
    """
    failed = _count_failures(steps, outcomes)
    if failed:
        raise Unavailable("Incomplete", f"{failed} of {len(steps)} objects could not be applied")
    wait = max(
        (facts.waits.get(step.key, 0.0) for step in steps if isinstance(step, Skipped) and step.drift), default=0
    )
    if wait:
        return wait
    if any(isinstance(step, Configure) and step.cause is Cause.VERIFIED for step in steps):
        return 0.0
    if facts.status_due is not None:
        return facts.status_due
    if facts.was_healthy and any(isinstance(step, Skipped) and step.reason == RETAINED for step in steps):
        return RECHECK_SECONDS if facts.asked_references else 0.0
    return None


def _count_failures(steps: Plan, outcomes: Mapping[Key, Outcome]) -> int:
    in_apply = sum(outcome.action is Action.FAILED for outcome in outcomes.values())
    return in_apply + sum(isinstance(step, Skipped) and step.failed for step in steps)
