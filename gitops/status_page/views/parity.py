"""The comparison of two environments: each difference, and whether it is declared. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gitops.core.contract.parity import DifferenceStatus, EnvironmentPair, ParityComparison, ParityFinding
from gitops.status_page.safe_text import LONG, clean
from gitops.status_page.source import StatusSource
from gitops.status_page.views.objects import is_secret, show_name, show_value
from gitops.status_page.views.tones import StatusTone

MOST_FINDINGS = 500
_TONES = {
    DifferenceStatus.UNDECLARED: StatusTone.BAD,
    DifferenceStatus.PENDING: StatusTone.BUSY,
    DifferenceStatus.DECLARED: StatusTone.OK,
}


@dataclass(frozen=True, slots=True)
class FindingView:
    """One difference; None means absent. For a pending one `a` is the value after the promotion and `b` the value now.
    `rule` is the variation that declares it.
    """

    kind: str
    name: str
    field: str
    a: str | None
    b: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class PairView:
    """Two overlays. `trouble` explains why they cannot be compared. `commits`: base commits not promoted to b yet."""

    a: str
    b: str
    trouble: str
    commits: tuple[str, ...]
    findings: dict[str, tuple[FindingView, ...]]


@dataclass(frozen=True, slots=True)
class ParityView:
    """`state` is one of: current = compared at the trunk's head; working = a comparison is queued or running; waiting =
    the queue is full. `equal` is None before the first comparison. `head` and `at` belong to the comparison shown.
    `counts` cover all findings, of which `left_out` are not listed.
    """

    a: str
    b: str
    state: str
    equal: bool | None
    asked_at: datetime | None
    head: str
    at: datetime | None
    counts: dict[str, int]
    trouble: str
    pairs: tuple[PairView, ...]
    left_out: int

    @property
    def tone(self) -> StatusTone:
        """The tone of the worst kind of difference found."""
        found = (_TONES[DifferenceStatus(name)] for name, count in self.counts.items() if count)
        return max(found, key=lambda tone: tone.rank, default=StatusTone.OK) if self.counts else StatusTone.OFF


@dataclass(frozen=True, slots=True)
class PairsView:
    """All pairs of environments, the earlier one first."""

    environments: tuple[str, ...]
    pairs: tuple[ParityView, ...]

    def of(self, a: str, b: str) -> ParityView | None:
        return next((pair for pair in self.pairs if (pair.a, pair.b) == (a, b)), None)


def show_pair(a: str, b: str, found: ParityComparison) -> ParityView:
    known, state = found.compared, "current" if found.is_current else "working" if found.asked_at else "waiting"
    if known is None:
        return ParityView(a, b, state, None, found.asked_at, "", None, {}, "", (), 0)
    room = _FindingLimit(MOST_FINDINGS)
    pairs = tuple(_show_overlays(pair, room) for pair in known.pairs)
    counts = {str(standing): known.counts.get(standing, 0) for standing in reversed(DifferenceStatus)}
    return ParityView(
        a=a,
        b=b,
        state=state,
        equal=not known.counts.get(DifferenceStatus.UNDECLARED, 0),
        asked_at=found.asked_at,
        head=clean(known.head),
        at=known.at,
        counts=counts,
        trouble=clean(known.trouble, LONG),
        pairs=pairs,
        left_out=known.left_out + room.left_out,
    )


def show_pairs(after: Mapping[str, str], source: StatusSource) -> PairsView:
    """The summaries of all pairs. Only outdated comparisons of neighbours are queued to be made again.

    `after` maps each environment to the one before it (empty for a first one), in the pipeline's order.
    """
    names = tuple(after)
    shown = []
    for place, a in enumerate(names):
        for b in names[place + 1 :]:
            found = source.parity(a, b) if after[b] == a else source.known_parity(a, b)
            shown.append(replace(show_pair(a, b, found), pairs=(), left_out=0))
    return PairsView(names, tuple(shown))


@dataclass(slots=True)
class _FindingLimit:
    """Counts how many findings may still be listed, over all overlays."""

    left: int
    left_out: int = 0

    def take(self, found: Iterable[ParityFinding]) -> tuple[FindingView, ...]:
        every = list(found)
        taken = every[: self.left]
        self.left -= len(taken)
        self.left_out += len(every) - len(taken)
        return tuple(map(_show_finding, taken))


def _show_overlays(pair: EnvironmentPair, room: _FindingLimit) -> PairView:
    return PairView(
        a=clean(pair.a),
        b=clean(pair.b),
        trouble=clean(pair.trouble, LONG),
        commits=tuple(clean(line) for line in pair.commits),
        findings={
            str(standing): room.take(each for each in pair.findings if each.status is standing)
            for standing in reversed(DifferenceStatus)
        },
    )


def _show_finding(found: ParityFinding) -> FindingView:
    key = found.key
    secret = is_secret(key) and bool(found.field)
    return FindingView(
        kind=clean(key.kind),
        name=show_name(key),
        field=clean(found.field),
        a=show_value(found.a, secret=secret),
        b=show_value(found.b, secret=secret),
        rule=clean(found.rule),
    )
