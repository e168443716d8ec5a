"""Which steps of a plan are shown and not carried out: in observe mode, under a hold, and for drift that is only
reported or that another writer makes again and again. Pure.
"""

from collections.abc import Mapping

from gitops.core.objects import Key
from gitops.core.ownership.applyset import Member
from gitops.core.sync import plan
from gitops.core.sync.plan import Configure, Plan, Step, Strip

REPORTED = "drift; this environment only reports it (drift: report)"


def withhold(steps: Plan, reason: str) -> Plan:
    """The plan with nothing in it that is carried out, for a reason that people read."""
    return tuple(plan.withhold(step, reason) for step in steps)


def calm(steps: Plan, members: Mapping[Key, Member], waits: Mapping[Key, float], *, heals: bool) -> Plan:
    """The plan with `Skipped` in place of drift that is not to be healed now. `waits`: object -> seconds until it may
    be healed again (heal_backoff.waits); without `heals` no drift is healed at all.
    """
    return tuple(
        _calm(step, waits.get(step.key, 0.0), heals=heals) if plan.is_drift(step, members) else step for step in steps
    )


def _calm(step: Step, wait: float, *, heals: bool) -> Step:
    if not heals:
        return plan.withhold(step, REPORTED)
    if not wait:
        return step
    drift = step.drift if isinstance(step, Configure | Strip) else ()
    who = ", ".join(sorted({each.manager for each in drift if each.manager})) or "somebody"
    return plan.withhold(step, f"{who} keeps changing it back; healed again in {wait:.0f} s")
