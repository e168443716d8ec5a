"""Two environments side by side: each difference with what it is. Pure.

Values come masked already where they are a Secret's; that is made sure of once more where they would become public.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gitops.core.contract.parity import DifferenceStatus, EnvironmentPair, ParityComparison, ParityFinding
from gitops.status_page.safe_text import LONG, MASK, clean
from gitops.status_page.views.overlay import SECRET_KINDS, VALUE, StatusTone, shown_name

MOST_FINDINGS = 500
_TONES = {
    DifferenceStatus.UNDECLARED: StatusTone.BAD,
    DifferenceStatus.PENDING: StatusTone.BUSY,
    DifferenceStatus.DECLARED: StatusTone.OK,
}


@dataclass(frozen=True, slots=True)
class FindingView:
    """One difference; None = absent. Of a pending one `a` is what B gets and `b` what it has. `rule` declares it."""

    kind: str
    name: str
    field: str
    a: str | None
    b: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class PairView:
    """Two overlays. `trouble`: why they cannot be compared. `commits`: of the base, waiting for a promotion."""

    a: str
    b: str
    trouble: str
    commits: tuple[str, ...]
    findings: dict[str, tuple[FindingView, ...]]


@dataclass(frozen=True, slots=True)
class ParityView:
    """`state`: current, of the trunk's head; working, a newer answer is being worked out; waiting, too many others are
    being worked out first. `equal` is None while nothing is known. `head` and `at`: of what is shown. `counts` are
    those of all findings, of which `left_out` are not listed.
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
        """That of the worst class that there is."""
        found = (_TONES[DifferenceStatus(name)] for name, count in self.counts.items() if count)
        return max(found, key=lambda tone: tone.rank, default=StatusTone.OK) if self.counts else StatusTone.OFF


@dataclass(frozen=True, slots=True)
class PairsView:
    """Every two environments, the earlier one first; those that follow each other are compared, of others what is known
    is shown.
    """

    environments: tuple[str, ...]
    pairs: tuple[ParityView, ...]

    def of(self, a: str, b: str) -> ParityView | None:
        return next((pair for pair in self.pairs if (pair.a, pair.b) == (a, b)), None)


def parity(a: str, b: str, found: ParityComparison) -> ParityView:
    known, state = found.compared, "current" if found.is_current else "working" if found.asked_at else "waiting"
    if known is None:
        return ParityView(a, b, state, None, found.asked_at, "", None, {}, "", (), 0)
    room = _Room(MOST_FINDINGS)
    pairs = tuple(_pair(pair, room) for pair in known.pairs)
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


def pairs(
    after: Mapping[str, str], ask: Callable[[str, str], ParityComparison], know: Callable[[str, str], ParityComparison]
) -> PairsView:
    """`after`: environment -> the one before it, empty for a first one, in the pipeline's order."""
    names = tuple(after)
    found = []
    for place, a in enumerate(names):
        for b in names[place + 1 :]:
            known = ask(a, b) if after[b] == a else know(a, b)
            whole = parity(a, b, known)
            found.append(_brief(whole))
    return PairsView(names, tuple(found))


def _brief(whole: ParityView) -> ParityView:
    """The counts alone."""
    return ParityView(
        a=whole.a,
        b=whole.b,
        state=whole.state,
        equal=whole.equal,
        asked_at=whole.asked_at,
        head=whole.head,
        at=whole.at,
        counts=whole.counts,
        trouble=whole.trouble,
        pairs=(),
        left_out=0,
    )


@dataclass(slots=True)
class _Room:
    """How many findings may still be listed, over all overlays."""

    left: int
    left_out: int = 0

    def take(self, found: Iterable[ParityFinding]) -> tuple[FindingView, ...]:
        every = list(found)
        taken = every[: self.left]
        self.left -= len(taken)
        self.left_out += len(every) - len(taken)
        return tuple(map(_finding, taken))


def _pair(pair: EnvironmentPair, room: _Room) -> PairView:
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


def _finding(found: ParityFinding) -> FindingView:
    key = found.key
    secret = (key.group, key.kind) in SECRET_KINDS and bool(found.field)

    def shown(value: str | None) -> str | None:
        return value if value is None else MASK if secret else clean(value, VALUE)

    return FindingView(
        clean(key.kind), shown_name(key), clean(found.field), shown(found.a), shown(found.b), clean(found.rule)
    )
