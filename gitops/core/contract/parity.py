"""Parity: the differences between two environments A and B, each declared, pending or undeclared.

B is compared as it would be after a promotion from A, with A's base and digests. A difference that this promotion
removes is pending; one that remains must be covered by a variation. Identity, such as the environments' names, is no
difference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import compare_shapes
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape, shape_objects
from gitops.core.contract.difference_rules import deciding_rule
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.variations.rules import VariationRule, severity_of
from gitops.core.contract.variations.settings_files import open_settings_files
from gitops.core.objects import Body, Key
from gitops.core.sync.diff import SecretMask


class DifferenceStatus(StrEnum):
    """Declared by a variation, pending a promotion, or undeclared."""

    DECLARED = "declared"
    PENDING = "pending"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class ParityFinding:
    """One difference. `field` is empty for a whole object; `a` and `b` are the values as they may be shown, None =
    absent. For a pending one they are B's value after the promotion and now. `rule`: the variation that declares it.
    """

    status: DifferenceStatus
    key: Key
    field: str
    a: str | None
    b: str | None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentPair:
    """Two overlays of the same service in two environments. `trouble`: the reason why they cannot be compared, which
    counts as undeclared. `commits`: commits of the base that B waits for, one line each.
    """

    a: str
    b: str
    findings: tuple[ParityFinding, ...] = ()
    trouble: str = ""
    commits: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """True if every difference is declared or pending."""
        return not self.trouble and all(each.status is not DifferenceStatus.UNDECLARED for each in self.findings)


@dataclass(frozen=True, slots=True)
class ComparedOverlay:
    """Two environments at a head of the trunk. `trouble`: the reason why nothing could be compared, which counts as
    undeclared; `counts` are those of all findings; `left_out`: the number of findings that were not kept.
    """

    head: str
    at: datetime
    pairs: tuple[EnvironmentPair, ...] = ()
    trouble: str = ""
    counts: Mapping[DifferenceStatus, int] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ParityComparison:
    """The last known comparison of two environments. `is_current`: it is of the trunk's head. `asked_at`: the time
    since which a newer one is being worked on; None = none is needed, or too many others wait.
    """

    compared: ComparedOverlay | None = None
    is_current: bool = False
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ParitySide:
    """An environment and the objects that it renders."""

    environment: str
    bodies: Sequence[Body]


@dataclass(frozen=True, slots=True)
class _Object:
    shape: ObjectShape
    body: Body


def compare_environments(a: ParitySide, b: ParitySide, ahead: ParitySide, book: RuleBook) -> tuple[ParityFinding, ...]:
    """Undeclared findings first. `ahead`: B with A's base and digests; B itself if it waits for nothing."""
    one, two, after = (_by_identity(side, book) for side in (a, b, ahead))
    found = [*_pending(two, after, b.environment, book)]
    found += _remaining(one, after, (a.environment, b.environment), book)
    return tuple(sorted(found, key=lambda each: (_ORDER[each.status], each.key, each.field)))


_LONGEST_VALUE = 2000
_ORDER = {DifferenceStatus.UNDECLARED: 0, DifferenceStatus.PENDING: 1, DifferenceStatus.DECLARED: 2}


def summarize(head: str, at: datetime, pairs: Sequence[EnvironmentPair], most: int) -> ComparedOverlay:
    """The comparison with at most `most` findings, undeclared ones first, and with long values cut."""
    found = [(number, each) for number, pair in enumerate(pairs) for each in pair.findings]
    kept = sorted(found, key=lambda each: _ORDER[each[1].status])[:most]
    counts = {status: sum(each.status is status for _, each in found) for status in DifferenceStatus}
    counts[DifferenceStatus.UNDECLARED] += sum(bool(pair.trouble) for pair in pairs)
    slim = tuple(
        replace(pair, findings=tuple(_cut(each) for place, each in kept if place == number))
        for number, pair in enumerate(pairs)
    )
    return ComparedOverlay(head, at, slim, counts=counts, left_out=len(found) - len(kept))


def summarize_failure(head: str, at: datetime, why: str) -> ComparedOverlay:
    """The comparison if nothing could be compared: it counts as one undeclared difference."""
    return ComparedOverlay(
        head, at, trouble=why, counts={**dict.fromkeys(DifferenceStatus, 0), DifferenceStatus.UNDECLARED: 1}
    )


def _cut(found: ParityFinding) -> ParityFinding:
    a, b = (None if value is None else value[:_LONGEST_VALUE] for value in (found.a, found.b))
    return replace(found, field=found.field[:_LONGEST_VALUE], a=a, b=b)


def _by_identity(side: ParitySide, book: RuleBook) -> dict[ObjectIdentity, _Object]:
    found = shape_objects(side.bodies, book.scope(side.environment))
    return {
        book.shared_identity(shape.ident, side.environment): _Object(shape, body)
        for shape, body in zip(found, side.bodies, strict=True)
    }


def _pending(
    now: Mapping[ObjectIdentity, _Object], after: Mapping[ObjectIdentity, _Object], environment: str, book: RuleBook
) -> Iterator[ParityFinding]:
    for each in _differences(now, after, (environment, environment), book):
        yield ParityFinding(DifferenceStatus.PENDING, each.key, each.field, each.two, each.one)


def _remaining(
    one: Mapping[ObjectIdentity, _Object], two: Mapping[ObjectIdentity, _Object], pair: tuple[str, str], book: RuleBook
) -> Iterator[ParityFinding]:
    for each in _differences(one, two, pair, book):
        is_forbidden = severity_of(each.rule) is ViolationSeverity.FORBID
        status = DifferenceStatus.UNDECLARED if is_forbidden else DifferenceStatus.DECLARED
        yield ParityFinding(status, each.key, each.field, each.one, each.two, each.rule.label if each.rule else "")


@dataclass(frozen=True, slots=True)
class _Difference:
    """`one` and `two`: the values as they may be shown; `rule`: the one that decides about the difference."""

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
                yield _Difference(found.shape.key, "", one_has, two_has, book.presence_rule(found.shape.ident, pair))
        else:
            yield from _field_differences(left, right, pair, book)


def _field_differences(left: _Object, right: _Object, pair: tuple[str, str], book: RuleBook) -> Iterator[_Difference]:
    rules = book.field_rules(right.shape.ident, pair)
    one, two = (open_settings_files(each.shape, rules) for each in (left, right))
    found = compare_shapes(one, two, book.sides(*pair))
    paths = {each.path for each in found}
    mask = SecretMask(right.body)
    for each in found:
        shown = mask.change(each.path, each.before, each.after)
        yield _Difference(right.shape.key, each.path, shown.old, shown.new, deciding_rule(rules, each, paths))
