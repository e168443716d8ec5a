"""What only shows when environments are laid side by side: values that must be distinct, names of other environments,
objects outside base that are not the same everywhere.

A violation between two environments is charged to the one in which the value in question is new, or, when that is both
or not known, to the one that comes earlier in the pipeline.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gitops.core.config_repo.pipeline import FILE
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import Difference, differences
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape
from gitops.core.contract.difference_rules import ruling
from gitops.core.contract.environment_names import has_word
from gitops.core.contract.survey import Mention, Setting, Survey
from gitops.core.contract.variations import rule_book as books
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.objects import Key
from gitops.core.sync.diff import ABSENT, SecretMask

_SHORTEST_VALUE = 6


Before = Mapping[str, Survey | None]
"""The overlays whose render is new, each with what was let in before; None = nothing was, or nobody knows."""


def across(
    surveys: Collection[Survey], book: RuleBook, changed: Collection[str] | None = None
) -> Mapping[str, tuple[Violation, ...]]:
    """Overlay -> its violations beside the others. `changed`: the overlays whose render is new, None = not known."""
    ranked = _ranked(surveys, book)
    court = _Comparison(book, ranked, ranked, dict.fromkeys(changed) if changed is not None else None)
    return court.sentence()


def beside(survey: Survey, others: Collection[Survey], book: RuleBook, before: Before) -> tuple[Violation, ...]:
    """The violations of one overlay beside others. An overlay may be among the others twice: as it is about to be, and
    as it still runs.
    """
    ranked = _ranked([survey, *(each for each in others if each.name != survey.name)], book)
    return _Comparison(book, ranked, [survey], before).sentence()[survey.name]


def _ranked(surveys: Collection[Survey], book: RuleBook) -> Sequence[Survey]:
    known = [each for each in surveys if each.environment in book.environments]
    return sorted(known, key=lambda each: (book.order.index(each.environment), each.name))


@dataclass(frozen=True, slots=True)
class _Comparison:
    """`accused`: those of the surveys whose violations are asked for."""

    book: RuleBook
    surveys: Sequence[Survey]
    accused: Sequence[Survey]
    before: Before | None

    def sentence(self) -> Mapping[str, tuple[Violation, ...]]:
        found: dict[str, dict[Violation, None]] = {each.name: {} for each in self.accused}
        for name, violation in (*self.shared(), *self.foreign(), *self.borrowed(), *self.unequal()):
            if name in found:
                found[name][violation] = None
        return {name: tuple(violations) for name, violations in found.items()}

    def shared(self) -> Iterator[tuple[str, Violation]]:
        """Values of `distinct` that two environments have in common."""
        owners: dict[tuple[str, ObjectIdentity, str, str], tuple[Survey, Setting]] = {}
        for survey in self.surveys:
            for setting in survey.settings:
                other, theirs = owners.setdefault(_setting_spot(setting), (survey, setting))
                if other.environment != survey.environment and setting.severity is not ViolationSeverity.FREE:
                    yield self._shared(other, theirs, survey, setting)

    def foreign(self) -> Iterator[tuple[str, Violation]]:
        """Names of other environments, except those that all of them have from base alike."""
        common = self._common()
        for survey in self.accused:
            for mention in survey.mentions:
                if survey.environment not in mention.environments and _spot(survey, mention) not in common:
                    yield survey.name, _named(survey, mention)

    def borrowed(self) -> Iterator[tuple[str, Violation]]:
        """Values that another environment declares to be its alone."""
        declared = {
            setting.value: (survey, setting)
            for survey in self.surveys
            for setting in survey.settings
            if len(setting.value) >= _SHORTEST_VALUE
        }
        for survey in self.accused:
            own = {setting.value for setting in survey.settings}
            for text in survey.texts:
                for value, (other, setting) in declared.items():
                    foreign = other.environment != survey.environment and value not in own
                    if foreign and has_word(text.value, value):
                        why = f"holds {other.environment}'s {setting.name}, which must be its alone (`{setting.rule}`)"
                        remedy = f"give {survey.environment} its own"
                        found = (text.path, None, _shown(text.ident, text.path, text.value))
                        yield survey.name, _violation(survey, text.ident, found, (why, remedy), other.environment)

    def unequal(self) -> Iterator[tuple[str, Violation]]:
        """Objects that base does not have, compared with the first environment that has them. Between different base
        revisions nothing is said: what differs may wait for a promotion.
        """
        accused = {each.name for each in self.accused}
        first: dict[tuple[ObjectIdentity, str], tuple[Survey, ObjectShape]] = {}
        for survey in self.surveys:
            for shape in survey.extras:
                ident = self.book.ident(shape.ident, survey.environment)
                other, theirs = first.setdefault((ident, survey.base), (survey, shape))
                concerns = bool(accused & {survey.name, other.name})
                if concerns and other.environment != survey.environment:
                    yield from self._unequal((other, theirs), (survey, shape))

    def _unequal(
        self, one: tuple[Survey, ObjectShape], two: tuple[Survey, ObjectShape]
    ) -> Iterator[tuple[str, Violation]]:
        (other, theirs), (survey, shape) = one, two
        both = (other.environment, survey.environment)
        ident = self.book.ident(shape.ident, survey.environment)
        found = differences(theirs, shape, self.book.sides(*both))
        rules = self.book.field_rules(shape.ident, both)
        by_path = {each.path: each for each in found}
        for each in found:
            rule = ruling(rules, each, by_path)
            if books.costs(rule) is not ViolationSeverity.FREE:
                sides = {other.name: each.before, survey.name: each.after}
                charged = self._charged(other, survey, partial(self._held, ident=ident, path=each.path, values=sides))
                yield charged.name, _differing(charged, (other, survey), shape, each, books.costs(rule))

    def _shared(self, other: Survey, theirs: Setting, survey: Survey, setting: Setting) -> tuple[str, Violation]:
        spot = _setting_spot(setting)
        charged = self._charged(other, survey, lambda it: any(_setting_spot(each) == spot for each in it.settings))
        mine = theirs if charged is other else setting
        against = survey.environment if charged is other else other.environment
        why = f"`{mine.name}` must be distinct (`{mine.rule}`), but {against} has the same"
        remedy = f"give {other.environment} and {survey.environment} a value each"
        shown = _shown(mine.ident, mine.path, mine.value)
        violation = _violation(charged, mine.ident, (mine.path, shown, shown), (why, remedy), against)
        return charged.name, _with(violation, ViolationKind.DISTINCT, mine.severity)

    def _charged(self, earlier: Survey, later: Survey, had: Callable[[Survey], bool]) -> Survey:
        """`had`: whether a survey holds the value in question."""
        if self._is_new(earlier.name, had) == self._is_new(later.name, had):
            return earlier
        return earlier if self._is_new(earlier.name, had) else later

    def _is_new(self, name: str, had: Callable[[Survey], bool]) -> bool:
        if self.before is None or name not in self.before:
            return False
        before = self.before[name]
        return before is None or not had(before)

    def _held(self, before: Survey, ident: ObjectIdentity, path: str, values: Mapping[str, object]) -> bool:
        """True when the overlay had this value of the object before."""
        for known in before.extras:
            if self.book.ident(known.ident, before.environment) == ident:
                return bool(known.leaves.get(path, ABSENT) == values[before.name])
        return False

    def _common(self) -> frozenset[tuple[str, ObjectIdentity, str, str]]:
        """Texts of base that name an environment and that no environment has otherwise."""
        holders: dict[tuple[str, ObjectIdentity, str, str], set[str]] = {}
        environments: dict[str, set[str]] = {}
        for survey in self.surveys:
            environments.setdefault(survey.reference, set()).add(survey.environment)
            for mention in (each for each in survey.mentions if each.inherited):
                holders.setdefault(_spot(survey, mention), set()).add(survey.environment)
        enough = min(2, len(self.book.order))
        return frozenset(
            spot for spot, held in holders.items() if len(held) >= enough and held == environments[spot[0]]
        )


def _setting_spot(setting: Setting) -> tuple[str, ObjectIdentity, str, str]:
    return setting.rule, setting.ident, setting.where, setting.value


def _spot(survey: Survey, mention: Mention) -> tuple[str, ObjectIdentity, str, str]:
    return survey.reference, mention.text.ident, mention.text.path, mention.text.value


def _named(survey: Survey, mention: Mention) -> Violation:
    others = " and ".join(sorted(mention.environments))
    text = mention.text
    if mention.hard:
        why = f"names `{mention.word}`, which is where {others} lives"
        remedy = f"point it at {survey.environment}'s own"
    else:
        why = f"names the environment {others}"
        remedy = "use this environment's own name"
    remedy += f"; if it is meant, add `names: [{mention.word}]` to the variation of this field in {FILE}"
    shown = _shown(text.ident, text.path, text.value)
    violation = _violation(survey, text.ident, (text.path, None, shown), (why, remedy), others)
    return _with(violation, ViolationKind.FOREIGN, ViolationSeverity.FORBID if mention.hard else ViolationSeverity.WARN)


def _differing(
    charged: Survey,
    pair: tuple[Survey, Survey],
    shape: ObjectShape,
    difference: Difference,
    severity: ViolationSeverity,
) -> Violation:
    other, survey = pair
    before = None if difference.before is ABSENT else _shown(shape.ident, difference.path, difference.before)
    after = None if difference.after is ABSENT else _shown(shape.ident, difference.path, difference.after)
    against = survey if charged is other else other
    values = (after, before) if charged is other else (before, after)
    why = f"base does not have this object, and it differs from {against.environment}'s without a variation"
    ident = shape.ident
    declaration = f"- {{objects: [{{kind: {ident.kind}, name: {ident.name}}}], field: {difference.path}}}"
    remedy = f"make them equal, or declare it in {FILE}: {declaration}"
    found = (difference.path, *values)
    violation = _violation(charged, ident, found, (why, remedy), against.environment)
    return _with(violation, ViolationKind.UNDECLARED, severity)


def _violation(
    survey: Survey,
    ident: ObjectIdentity,
    found: tuple[str, str | None, str | None],
    said: tuple[str, str],
    against: str,
) -> Violation:
    path, before, after = found
    key = Key(ident.group, ident.kind, ident.namespace, ident.name)
    why, remedy = said
    return Violation(
        ViolationKind.FOREIGN,
        ViolationSeverity.FORBID,
        survey.environment,
        key,
        path,
        before,
        after,
        why,
        remedy,
        against,
    )


def _with(violation: Violation, breach: ViolationKind, severity: ViolationSeverity) -> Violation:
    return replace(violation, breach=breach, severity=severity)


def _shown(ident: ObjectIdentity, path: str, value: object) -> str:
    body = {"kind": ident.kind, "apiVersion": "v1" if not ident.group else f"{ident.group}/v1"}
    return SecretMask(body).change(path, ABSENT, value).new or ""
