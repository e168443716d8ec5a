"""Withholding: steps of a plan that are shown and not executed, in observe mode, under a suspending hold, and for drift
that is only reported or that another manager writes again and again.
"""

from collections.abc import Mapping

from gitops.core.objects import Key
from gitops.core.ownership.applyset import Member
from gitops.core.sync import plan
from gitops.core.sync.plan import Configure, Plan, Step, Strip

REPORTED = "drift; this environment only reports it (drift: report)"


def withhold(steps: Plan, reason: str) -> Plan:
    """The plan with a Skipped step in place of each step that writes. `reason`: a sentence for people."""
    return tuple(plan.withhold(step, reason) for step in steps)


def calm(steps: Plan, members: Mapping[Key, Member], waits: Mapping[Key, float], *, heals: bool) -> Plan:
    """The plan with a Skipped step in place of drift that is not healed now. `waits`: object -> seconds until it may be
    healed again (heal_backoff.waits). `heals`: False = no drift is healed.
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
    who = ", ".join(sorted({each.manager for each in drift if each.manager})) or "another manager"
    return plan.withhold(step, f"{who} keeps changing it back; healed again in {wait:.0f} s")
