"""Whether an overlay is let in. Judged on transitions: what runs already is never stopped by a rule that came later."""

from collections.abc import Sequence

from gitops.core.contract.violations import Violation
from gitops.core.sync.summary import Stall

REASON = "ContractViolated"
_MOST_SHOWN = 3


def stall(violations: Sequence[Violation], *, is_admitted: bool) -> Stall | None:
    """Why the overlay keeps what it has; None = it goes on. `is_admitted`: this very render was let in before."""
    forbidden = [each for each in violations if each.forbids]
    if not forbidden or is_admitted:
        return None
    return Stall(REASON, _told(forbidden))


def warnings(violations: Sequence[Violation]) -> tuple[str, ...]:
    """What is shown of an overlay that was let in: what only warns, and what was let in before the rule was there."""
    return tuple(str(each) for each in sorted(violations, key=lambda each: not each.forbids))


def _told(violations: Sequence[Violation]) -> str:
    said = ". ".join(str(each) for each in violations[:_MOST_SHOWN])
    more = len(violations) - _MOST_SHOWN
    return f"{said}. And {more} more" if more > 0 else said
