"""The rule about foreign names: an overlay may not name the place of another environment, nor hold a value that another
environment declares to be distinct. The bare name of another environment is a warning.

environment_names finds the words in a text; here stands in which fields a word counts, and what the violation says.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from gitops.core.config_repo.pipeline import FILE
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape
from gitops.core.contract.environment_names import has_word, values_only
from gitops.core.contract.object_rules import ObjectRules, key_of, show_value
from gitops.core.contract.survey_result import Mention, ObjectText, Setting, Survey
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.violations import Violation, ViolationKind

# Kinds, API groups and the names of variables and keys name no environment.
_NO_NAME = re.compile(r"^/(?:apiVersion|kind)$|/(?:apiGroups?|apiVersion|kind|key)(?:/|$)|/env/[^/]*/name$")
_PROGRAM = re.compile(r"/(?:args|command)/0$")
_SHORTEST_VALUE = 6

TextKey = tuple[str, ObjectIdentity, str, str]
"""(reference directory, object, path, text)."""


@dataclass(frozen=True, slots=True)
class DistinctValue:
    """A value that one environment declares to be distinct."""

    environment: str
    setting: Setting


def find_mentions(
    subject: ObjectRules, shape: ObjectShape, reference: ObjectShape | None, book: RuleBook
) -> Iterator[Mention]:
    """Every mention of an environment in the object, its own environment included, except those that `names:` allows.

    `shape`: the object with its settings files opened; `reference`: the same object of the reference, if there is one.
    The values of Secrets are encoded and are left out; references to a Secret are not.
    """
    hidden = "/data/" if subject.body["kind"] == "Secret" else None
    leaves = [("/metadata/name", shape.ident.name), ("/metadata/namespace", shape.ident.namespace)]
    for path, value in (*leaves, *shape.leaves.items()):
        if isinstance(value, str) and not (hidden and path.startswith(hidden)) and _can_name(path):
            inherited = reference is None or reference.leaves.get(path) == value
            yield from _mentions_in(subject, ObjectText(shape.ident, path, value), book, inherited=inherited)


def find_common_texts(surveys: Collection[Survey], book: RuleBook) -> frozenset[TextKey]:
    """Texts that name an environment and that all environments have from the reference alike: none of them set it."""
    holders: dict[TextKey, set[str]] = {}
    environments: dict[str, set[str]] = {}
    for survey in surveys:
        environments.setdefault(survey.reference, set()).add(survey.environment)
        for mention in (each for each in survey.mentions if each.inherited):
            holders.setdefault(_text_key(survey, mention), set()).add(survey.environment)
    enough = min(2, len(book.order))
    return frozenset(key for key, held in holders.items() if len(held) >= enough and held == environments[key[0]])


def check_mentions(survey: Survey, common: Collection[TextKey]) -> Iterator[Violation]:
    """The overlay's mentions of other environments.

    `common`: the texts of find_common_texts, which are no violation.
    """
    for mention in survey.mentions:
        if survey.environment not in mention.environments and _text_key(survey, mention) not in common:
            yield _name_violation(survey, mention)


def find_distinct_values(surveys: Collection[Survey]) -> Mapping[str, DistinctValue]:
    """Value -> the environment that declares it to be distinct. Short values are left out: they occur by chance."""
    return {
        setting.value: DistinctValue(survey.environment, setting)
        for survey in surveys
        for setting in survey.settings
        if len(setting.value) >= _SHORTEST_VALUE
    }


def check_borrowed_values(survey: Survey, distinct: Mapping[str, DistinctValue]) -> Iterator[Violation]:
    """The overlay's texts that hold a distinct value of another environment."""
    own = {setting.value for setting in survey.settings}
    for text in survey.texts:
        for value, owner in distinct.items():
            if owner.environment != survey.environment and value not in own and has_word(text.value, value):
                yield _value_violation(survey, text, owner)


def _can_name(path: str) -> bool:
    return _NO_NAME.search(path) is None and _PROGRAM.search(path) is None


def _mentions_in(subject: ObjectRules, text: ObjectText, book: RuleBook, *, inherited: bool) -> Iterator[Mention]:
    for mention in book.environment_names.find_mentions(values_only(text.value)):
        known = {mention.word, *mention.environments}
        if any(known & set(rule.names) for rule in subject.rules if rule.names and rule.covers(text.path)):
            continue
        hard = mention.hard or text.path.endswith("/namespace")
        yield Mention(text, mention.word, mention.environments, hard, inherited)


def _text_key(survey: Survey, mention: Mention) -> TextKey:
    return survey.reference, mention.text.ident, mention.text.path, mention.text.value


def _name_violation(survey: Survey, mention: Mention) -> Violation:
    others = " and ".join(sorted(mention.environments))
    if mention.hard:
        why = f"names `{mention.word}`, which belongs to {others}"
        remedy = f"use the namespace of {survey.environment} instead"
    else:
        why = f"names the environment {others}"
        remedy = f"use the name of {survey.environment} instead"
    remedy += f"; if it is intended, add `names: [{mention.word}]` to the variation of this field in {FILE}"
    severity = ViolationSeverity.FORBID if mention.hard else ViolationSeverity.WARN
    return replace(_violation(survey, mention.text, why, remedy), against=others, severity=severity)


def _value_violation(survey: Survey, text: ObjectText, owner: DistinctValue) -> Violation:
    setting = owner.setting
    why = f"holds the `{setting.name}` of {owner.environment}, which must be distinct (variation `{setting.rule}`)"
    remedy = f"set a value of {survey.environment}'s own"
    return replace(_violation(survey, text, why, remedy), against=owner.environment)


def _violation(survey: Survey, text: ObjectText, why: str, remedy: str) -> Violation:
    return Violation(
        kind=ViolationKind.FOREIGN,
        severity=ViolationSeverity.FORBID,
        environment=survey.environment,
        key=key_of(text.ident),
        field=text.path,
        before=None,
        after=show_value(text.ident, text.path, text.value),
        why=why,
        remedy=remedy,
    )
