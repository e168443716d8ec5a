"""How two environments differ: what was declared, what waits for a promotion, and what nobody declared.

B is looked at as it would be after a promotion from A (the same base, the same digests): what changes by that is
pending; what then still differs from A must be covered by a variation. Names of the environments themselves, and what
else is only identity, is no difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import differences
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape, shapes
from gitops.core.contract.difference_rules import ruling
from gitops.core.contract.variations import rule_book as books
from gitops.core.contract.variations.opened import opened
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.objects import Body, Key
from gitops.core.sync.diff import SecretMask


class DifferenceStatus(StrEnum):
    """What a difference between two environments is."""

    DECLARED = "declared"
    PENDING = "pending"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class ParityFinding:
    """One difference. `field` is empty for a whole object, `a` and `b` are the values as they may be shown, None =
    absent; a pending one shows B's value now and after the promotion. `rule`: the variation that declares it.
    """

    standing: DifferenceStatus
    key: Key
    field: str
    a: str | None
    b: str | None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentPair:
    """Two overlays that hold the same things for two environments. `trouble`: why they cannot be compared, which counts
    as undeclared. `commits`: what of the base waits for a promotion.
    """

    a: str
    b: str
    findings: tuple[ParityFinding, ...] = ()
    trouble: str = ""
    commits: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """True when nothing but declared differences and pending promotions is left."""
        return not self.trouble and all(each.standing is not DifferenceStatus.UNDECLARED for each in self.findings)


@dataclass(frozen=True, slots=True)
class ComparedOverlay:
    """Two environments as of a head of the trunk. `trouble`: why nothing could be compared, which counts as undeclared;
    `counts` are those of all findings, of which `left_out` are not kept.
    """

    head: str
    at: datetime
    pairs: tuple[EnvironmentPair, ...] = ()
    trouble: str = ""
    counts: Mapping[DifferenceStatus, int] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ParityComparison:
    """What is known of two environments. `is_current`: it is of the trunk's head. `asked_at`: since when a newer answer
    is being worked out; None while it is not, because there is no need, or because too many others wait.
    """

    compared: ComparedOverlay | None = None
    is_current: bool = False
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParitySide:
    """An environment and what it renders."""

    environment: str
    bodies: Sequence[Body]


@dataclass(frozen=True, slots=True)
class _Object:
    shape: ObjectShape
    body: Body


def findings(a: ParitySide, b: ParitySide, ahead: ParitySide, book: RuleBook) -> tuple[ParityFinding, ...]:
    """`ahead`: B with A's base and digests, B itself when nothing waits. Undeclared ones first."""
    one, two, after = (_objects(side, book) for side in (a, b, ahead))
    found = [*_pending(two, after, (b.environment, b.environment), book)]
    found += _judged(one, after, (a.environment, b.environment), book)
    return tuple(sorted(found, key=lambda each: (_ORDER[each.standing], each.key, each.field)))


_LONGEST_VALUE = 2000
_ORDER = {DifferenceStatus.UNDECLARED: 0, DifferenceStatus.PENDING: 1, DifferenceStatus.DECLARED: 2}


def compared(head: str, at: datetime, pairs: Sequence[EnvironmentPair], most: int) -> ComparedOverlay:
    """At most so many findings, those that matter most; values are cut to what a person reads."""
    found = [(number, each) for number, pair in enumerate(pairs) for each in pair.findings]
    kept = sorted(found, key=lambda each: _ORDER[each[1].standing])[:most]
    counts = {standing: sum(each.standing is standing for _, each in found) for standing in DifferenceStatus}
    counts[DifferenceStatus.UNDECLARED] += sum(bool(pair.trouble) for pair in pairs)
    slim = tuple(
        replace(pair, findings=tuple(_short(each) for place, each in kept if place == number))
        for number, pair in enumerate(pairs)
    )
    return ComparedOverlay(head, at, slim, counts=counts, left_out=len(found) - len(kept))


def refused(head: str, at: datetime, why: str) -> ComparedOverlay:
    """Nothing could be compared, and nobody can say that the two are equal."""
    return ComparedOverlay(
        head, at, trouble=why, counts={**dict.fromkeys(DifferenceStatus, 0), DifferenceStatus.UNDECLARED: 1}
    )


def _short(found: ParityFinding) -> ParityFinding:
    a, b = (None if value is None else value[:_LONGEST_VALUE] for value in (found.a, found.b))
    return replace(found, field=found.field[:_LONGEST_VALUE], a=a, b=b)


def _objects(side: ParitySide, book: RuleBook) -> dict[ObjectIdentity, _Object]:
    found = shapes(side.bodies, book.home(side.environment))
    return {
        book.ident(shape.ident, side.environment): _Object(shape, body)
        for shape, body in zip(found, side.bodies, strict=True)
    }


def _pending(
    now: Mapping[ObjectIdentity, _Object],
    after: Mapping[ObjectIdentity, _Object],
    pair: tuple[str, str],
    book: RuleBook,
) -> Iterator[ParityFinding]:
    for each in _differences(now, after, pair, book):
        yield ParityFinding(DifferenceStatus.PENDING, each.key, each.field, each.two, each.one)


def _judged(
    one: Mapping[ObjectIdentity, _Object], two: Mapping[ObjectIdentity, _Object], pair: tuple[str, str], book: RuleBook
) -> Iterator[ParityFinding]:
    for each in _differences(one, two, pair, book):
        standing = (
            DifferenceStatus.UNDECLARED
            if books.costs(each.rule) is ViolationSeverity.FORBID
            else DifferenceStatus.DECLARED
        )
        yield ParityFinding(standing, each.key, each.field, each.one, each.two, each.rule.label if each.rule else "")


@dataclass(frozen=True, slots=True)
class _Difference:
    """As it may be shown, with the rule that decides about it."""

    key: Key
    field: str
    one: str | None
    two: str | None
    rule: VariationRule | None


def _differences(
    one: Mapping[ObjectIdentity, _Object], two: Mapping[ObjectIdentity, _Object], pair: tuple[str, str], book: RuleBook
) -> Iterator[_Difference]:
    for ident in {**one, **two}:
        left, right = one.get(ident), two.get(ident)
        if left is None or right is None:
            found = left or right
            if found is not None:
                one_has, two_has = ("present" if each else None for each in (left, right))
                yield _Difference(found.shape.key, "", one_has, two_has, book.presence(found.shape.ident, pair))
        else:
            yield from _fields(left, right, pair, book)


def _fields(left: _Object, right: _Object, pair: tuple[str, str], book: RuleBook) -> Iterator[_Difference]:
    rules = book.field_rules(right.shape.ident, pair)
    found = differences(opened(left.shape, rules), opened(right.shape, rules), book.sides(*pair))
    by_path = {each.path: each for each in found}
    mask = SecretMask(right.body)
    for each in found:
        shown = mask.change(each.path, each.before, each.after)
        rule = ruling(rules, each, by_path)
        yield _Difference(right.shape.key, each.path, shown.old, shown.new, rule)
