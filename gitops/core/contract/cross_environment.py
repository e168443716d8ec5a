"""Judges environments beside each other: distinct values, names of other environments, and objects outside base, which
must be the same everywhere.

A violation between two environments is charged to the one that changed: in which the value is new. If it is new in
both, or nothing is known of before, the one that comes earlier in the pipeline is charged.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from gitops.core.config_repo.pipeline import FILE
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract import distinct_values, foreign_names
from gitops.core.contract.comparison.differences import Difference, compare_shapes
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape
from gitops.core.contract.difference_rules import deciding_rule
from gitops.core.contract.object_rules import declaration_of, key_of, show_value
from gitops.core.contract.survey_result import Survey
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.variations.rules import severity_of
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.sync.diff import ABSENT

Before = Mapping[str, Survey | None]
"""Overlay whose render is new -> its survey as last admitted; None = never admitted, or not known."""


def check_all(
    surveys: Collection[Survey], book: RuleBook, changed: Collection[str] | None = None
) -> Mapping[str, tuple[Violation, ...]]:
    """Overlay -> its violations beside the others. `changed`: the overlays whose render is new, None = not known."""
    ranked = _in_pipeline_order(surveys, book)
    before = dict.fromkeys(changed) if changed is not None else None
    return _Comparison(book, ranked, ranked, before).violations()


def check_one(survey: Survey, others: Collection[Survey], book: RuleBook, before: Before) -> tuple[Violation, ...]:
    """The violations of one overlay beside others.

    An overlay may be among the others twice: with its new render, and with the render that still runs.
    """
    ranked = _in_pipeline_order([survey, *(each for each in others if each.name != survey.name)], book)
    return _Comparison(book, ranked, [survey], before).violations()[survey.name]


def _in_pipeline_order(surveys: Collection[Survey], book: RuleBook) -> Sequence[Survey]:
    known = [each for each in surveys if each.environment in book.environments]
    return sorted(known, key=lambda each: (book.order.index(each.environment), each.name))


@dataclass(frozen=True, slots=True)
class _ObjectPair:
    """One object that base lacks, in two overlays. `earlier` comes first in the pipeline."""

    earlier: Survey
    earlier_shape: ObjectShape
    later: Survey
    later_shape: ObjectShape

    @property
    def environments(self) -> tuple[str, str]:
        return self.earlier.environment, self.later.environment


@dataclass(frozen=True, slots=True)
class _Comparison:
    """`asked`: those of the surveys whose violations are asked for."""

    book: RuleBook
    surveys: Sequence[Survey]
    asked: Sequence[Survey]
    before: Before | None

    def violations(self) -> Mapping[str, tuple[Violation, ...]]:
        found: dict[str, dict[Violation, None]] = {each.name: {} for each in self.asked}
        for name, violation in (
            *self._check_distinct_values(),
            *self._check_foreign_names(),
            *self._check_extra_objects(),
        ):
            if name in found:
                found[name][violation] = None
        return {name: tuple(violations) for name, violations in found.items()}

    def _check_distinct_values(self) -> Iterator[tuple[str, Violation]]:
        for pair in distinct_values.find_equal_settings(self.surveys):
            had = partial(distinct_values.has_value, setting=pair.later_setting)
            charged = self._choose_charged(pair.earlier, pair.later, had)
            yield charged.name, distinct_values.violation_of(pair, charged)

    def _check_foreign_names(self) -> Iterator[tuple[str, Violation]]:
        common = foreign_names.find_common_texts(self.surveys, self.book)
        distinct = foreign_names.find_distinct_values(self.surveys)
        for survey in self.asked:
            yield from ((survey.name, each) for each in foreign_names.check_mentions(survey, common))
            yield from ((survey.name, each) for each in foreign_names.check_borrowed_values(survey, distinct))

    def _check_extra_objects(self) -> Iterator[tuple[str, Violation]]:
        """Objects that base lacks, compared with the first environment that has them.

        Overlays of different base revisions are not compared: their difference may be waiting for a promotion.
        """
        asked = {each.name for each in self.asked}
        first: dict[tuple[ObjectIdentity, str], tuple[Survey, ObjectShape]] = {}
        for survey in self.surveys:
            for shape in survey.extras:
                ident = self.book.shared_identity(shape.ident, survey.environment)
                other, theirs = first.setdefault((ident, survey.base), (survey, shape))
                is_asked = bool(asked & {survey.name, other.name})
                if is_asked and other.environment != survey.environment:
                    yield from self._compare_objects(_ObjectPair(other, theirs, survey, shape), ident)

    def _compare_objects(self, pair: _ObjectPair, ident: ObjectIdentity) -> Iterator[tuple[str, Violation]]:
        found = compare_shapes(pair.earlier_shape, pair.later_shape, self.book.sides(*pair.environments))
        rules = self.book.field_rules(pair.later_shape.ident, pair.environments)
        paths = {each.path for each in found}
        for each in found:
            severity = severity_of(deciding_rule(rules, each, paths))
            if severity is not ViolationSeverity.FREE:
                values = {pair.earlier.name: each.before, pair.later.name: each.after}
                had = partial(self._had_value, ident=ident, path=each.path, values=values)
                charged = self._choose_charged(pair.earlier, pair.later, had)
                yield charged.name, _unequal_object(pair, charged, each, severity)

    def _choose_charged(self, earlier: Survey, later: Survey, had: Callable[[Survey], bool]) -> Survey:
        """The one of the two that is charged. `had`: True if a survey holds the value in question."""
        is_earlier_new, is_later_new = self._is_new(earlier.name, had), self._is_new(later.name, had)
        return later if is_later_new and not is_earlier_new else earlier

    def _is_new(self, name: str, had: Callable[[Survey], bool]) -> bool:
        if self.before is None or name not in self.before:
            return False
        before = self.before[name]
        return before is None or not had(before)

    def _had_value(self, before: Survey, ident: ObjectIdentity, path: str, values: Mapping[str, object]) -> bool:
        """True if the overlay had its value of the object before. `values`: overlay -> value."""
        for known in before.extras:
            if self.book.shared_identity(known.ident, before.environment) == ident:
                return bool(known.leaves.get(path, ABSENT) == values[before.name])
        return False


def _unequal_object(
    pair: _ObjectPair, charged: Survey, difference: Difference, severity: ViolationSeverity
) -> Violation:
    ident, path = pair.later_shape.ident, difference.path
    earlier = None if difference.before is ABSENT else show_value(ident, path, difference.before)
    later = None if difference.after is ABSENT else show_value(ident, path, difference.after)
    is_earlier = charged is pair.earlier
    against = (pair.later if is_earlier else pair.earlier).environment
    return Violation(
        kind=ViolationKind.UNDECLARED,
        severity=severity,
        environment=charged.environment,
        key=key_of(ident),
        field=path,
        before=later if is_earlier else earlier,
        after=earlier if is_earlier else later,
        why=f"the object is not in base, it differs from that of {against}, and no variation allows that",
        remedy=f"make them equal, or declare it in {FILE}: {declaration_of(ident, f'field: {path}')}",
        against=against,
    )
