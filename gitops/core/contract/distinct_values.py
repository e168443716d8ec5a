"""The rule about distinct values: two environments may not share a value that a variation declares `distinct`.

A value counts as shared only at the same path of the same object, both without the names of the environment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape
from gitops.core.contract.object_rules import ObjectRules, key_of, show_value
from gitops.core.contract.survey_result import Setting, Survey
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.ownership import fields
from gitops.core.sync.diff import ABSENT


@dataclass(frozen=True, slots=True)
class SettingPair:
    """One value in two environments. `earlier` comes first in the pipeline."""

    earlier: Survey
    earlier_setting: Setting
    later: Survey
    later_setting: Setting


def find_settings(subject: ObjectRules, shape: ObjectShape, book: RuleBook) -> Iterator[Setting]:
    """The settings of an object that must be distinct. `shape`: the object with its settings files opened."""
    environment = subject.environment
    for rule in (rule for rule in subject.rules if rule.distinct):
        for path, value in shape.leaves.items():
            name = fields.last_name(path)
            if rule.covers(path) and rule.requires_distinct(name) and value is not ABSENT:
                ident = book.shared_identity(shape.ident, environment)
                where = book.environment_names.neutralize(path, environment)
                yield Setting(rule.label, rule.broken, ident, where, path, name, str(value))


def find_equal_settings(surveys: Sequence[Survey]) -> Iterator[SettingPair]:
    """Each value that an environment shares with the first one that has it. `surveys` in the order of the pipeline."""
    owners: dict[tuple[str, ObjectIdentity, str, str], tuple[Survey, Setting]] = {}
    for survey in surveys:
        for setting in survey.settings:
            other, theirs = owners.setdefault(_position(setting), (survey, setting))
            if other.environment != survey.environment and setting.severity is not ViolationSeverity.FREE:
                yield SettingPair(other, theirs, survey, setting)


def has_value(survey: Survey, setting: Setting) -> bool:
    """True if the survey has the same value at the same place."""
    return any(_position(each) == _position(setting) for each in survey.settings)


def violation_of(pair: SettingPair, charged: Survey) -> Violation:
    """The violation of the environment that is charged, which is one of the two."""
    is_earlier = charged is pair.earlier
    own = pair.earlier_setting if is_earlier else pair.later_setting
    against = (pair.later if is_earlier else pair.earlier).environment
    shown = show_value(own.ident, own.path, own.value)
    return Violation(
        kind=ViolationKind.DISTINCT,
        severity=own.severity,
        environment=charged.environment,
        key=key_of(own.ident),
        field=own.path,
        before=shown,
        after=shown,
        why=f"`{own.name}` must be distinct (variation `{own.rule}`), but {against} has the same value",
        remedy=f"give {pair.earlier.environment} and {pair.later.environment} different values",
        against=against,
    )


def _position(setting: Setting) -> tuple[str, ObjectIdentity, str, str]:
    return setting.rule, setting.ident, setting.where, setting.value
