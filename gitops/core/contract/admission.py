"""Decides whether an overlay is applied.

An overlay whose render was admitted before is never stopped by a later rule.
"""

from collections.abc import Sequence

from gitops.core.contract.violations import Violation
from gitops.core.errors import Rejected
from gitops.core.sync.summary import Stall
from gitops.core.sync.sync_target import AdmissionVerdict

REASON = "ContractViolated"
_MOST_SHOWN = 3


def verdict(violations: Sequence[Violation], *, is_admitted: bool) -> AdmissionVerdict:
    """The verdict on an overlay with these violations. `is_admitted`: this very render was applied before.

    The warnings are the violations in sentences; forbidden ones come first. Of an overlay that is applied, these are
    older than their rule.
    """
    ordered = sorted(violations, key=lambda each: not each.forbids)
    return AdmissionVerdict(_stall(violations, is_admitted=is_admitted), tuple(map(str, ordered)))


def unjudged(error: Rejected, *, is_admitted: bool) -> AdmissionVerdict:
    """The verdict on an overlay that could not be judged, for example because its reference does not render."""
    if is_admitted:
        return AdmissionVerdict(warnings=(str(error),), is_breached=True)
    return AdmissionVerdict(Stall(error.reason, str(error)), is_breached=True)


def _stall(violations: Sequence[Violation], *, is_admitted: bool) -> Stall | None:
    """The reason to keep the last applied state of the overlay; None = apply it."""
    forbidden = [each for each in violations if each.forbids]
    if not forbidden or is_admitted:
        return None
    return Stall(REASON, _summarize(forbidden))


def _summarize(violations: Sequence[Violation]) -> str:
    shown = ". ".join(str(each) for each in violations[:_MOST_SHOWN])
    more = len(violations) - _MOST_SHOWN
    return f"{shown}. And {more} more" if more > 0 else shown
