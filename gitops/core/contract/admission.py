"""Decides whether an overlay is applied.

An overlay whose render was admitted before is never stopped by a later rule.
"""

from collections.abc import Sequence

from gitops.core.contract.violations import Violation
from gitops.core.sync.summary import Stall

REASON = "ContractViolated"
_MOST_SHOWN = 3


def stall(violations: Sequence[Violation], *, is_admitted: bool) -> Stall | None:
    """The reason to keep the last applied state of the overlay; None = apply it.

    `is_admitted`: this very render was applied before.
    """
    forbidden = [each for each in violations if each.forbids]
    if not forbidden or is_admitted:
        return None
    return Stall(REASON, _summarize(forbidden))


def warnings(violations: Sequence[Violation]) -> tuple[str, ...]:
    """The violations of an overlay that is applied, in sentences. Forbidden ones, which are older than their rule, come
    first.
    """
    return tuple(str(each) for each in sorted(violations, key=lambda each: not each.forbids))


def _summarize(violations: Sequence[Violation]) -> str:
    shown = ". ".join(str(each) for each in violations[:_MOST_SHOWN])
    more = len(violations) - _MOST_SHOWN
    return f"{shown}. And {more} more" if more > 0 else shown
