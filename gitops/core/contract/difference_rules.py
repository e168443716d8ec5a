"""Judges the differences of one overlay from the reference by the variations of pipeline.yaml.

A difference is declared if a rule covers its field and its outcome is `free`; then the rule's schema must fit. Objects
that only one side has are checked the same way, by rules without a field.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops.core.config_repo.pipeline import FILE
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import Difference
from gitops.core.contract.comparison.pod_paths import NAMED_ITEMS
from gitops.core.contract.comparison.shapes import ObjectShape
from gitops.core.contract.object_rules import FieldValues, ObjectRules, declaration_of
from gitops.core.contract.variations.rules import VariationRule, first_covering, severity_of
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.ownership import fields
from gitops.core.sync import masking
from gitops.core.sync.diff import ABSENT

_ITEM = re.compile(rf"/(?:{'|'.join(NAMED_ITEMS)})/[^/]+(?=/)")
_QUOTED = 6
"""The number of leading characters by which a quoted credential is recognized."""


@dataclass(slots=True)
class OverlayFindings:
    """Collects the violations of one overlay. `declared`: the number of differences that any rule allows, `free`: the
    number of these that a preset allows.
    """

    environment: str
    violations: list[Violation] = field(default_factory=list)
    declared: int = 0
    free: int = 0

    def check_fields(self, subject: ObjectRules, found: Collection[Difference]) -> None:
        """`found`: the differences of the object from the reference's object."""
        by_path = {difference.path: difference for difference in found}
        checked: set[tuple[str, str]] = set()
        for difference in found:
            rule = deciding_rule(subject.rules, difference, by_path)
            if severity_of(rule) is not ViolationSeverity.FREE:
                self.violations += _violation_without_rule(subject, difference, rule)
            elif rule is not None:
                self.declared += 1
                self.free += rule.preset
                self.violations += _check_schema(subject, difference, rule, checked)

    def check_added(self, subject: ObjectRules, rule: VariationRule | None) -> None:
        """An object that the reference lacks. `rule`: the one that decides about its presence, if any."""
        self._check_presence(subject.shape, rule, "is not in base")

    def check_missing(self, shape: ObjectShape, rule: VariationRule | None) -> None:
        """An object of the reference that the overlay lacks. `rule`: as in `check_added`."""
        self._check_presence(shape, rule, "is in base, but missing here")

    def require_settings(self, subject: ObjectRules, opened: ObjectShape) -> None:
        """`required` of a variation holds for every object that the variation selects, whether it differs or not."""
        for rule in subject.rules:
            known = {fields.last_name(path) for path in opened.leaves if rule.required and rule.covers(path)}
            for name in (name for name in rule.required if name not in known):
                self.violations += subject.violation(
                    ViolationKind.REQUIRED,
                    rule.broken,
                    FieldValues(fields.child(rule.field.text if rule.field else "", name), ABSENT, ABSENT),
                    why=f"variation `{rule.label}` requires `{name}`, which is not set here",
                    remedy=f"set `{name}` in this environment",
                )

    def report_unreadable(self, subject: ObjectRules, path: str, rule: VariationRule, reason: str) -> None:
        """A settings file in a field that cannot be parsed in the format that the rule declares."""
        self.violations += subject.violation(
            ViolationKind.FORMAT,
            rule.broken,
            FieldValues(path, ABSENT, ABSENT),
            why=f"variation `{rule.label}` declares this as {rule.format}, but it cannot be parsed: {reason}",
            remedy=f"correct the file, or `format` of `{rule.label}` in {FILE}",
        )

    def _check_presence(self, shape: ObjectShape, rule: VariationRule | None, finding: str) -> None:
        if severity_of(rule) is ViolationSeverity.FREE:
            self.declared += 1
            self.free += rule is not None and rule.preset
            return
        why = f"the object {finding}, and no variation allows that" + (f" ({rule.label})" if rule else "")
        line = declaration_of(shape.ident, f"environments: [{self.environment}]")
        remedy = f"move it to base, or declare it in {FILE}: {line}"
        kind = ViolationKind.PRESET if rule else ViolationKind.PRESENCE
        violation = Violation(kind, severity_of(rule), self.environment, shape.key, "", None, None, why, remedy)
        self.violations.append(violation)


def deciding_rule(
    rules: Sequence[VariationRule], difference: Difference, paths: Collection[str]
) -> VariationRule | None:
    """The rule that decides about a difference: the first that covers it, else the one that covers the name of its
    item.

    `paths`: the paths of all differences of the object. A container, volume or variable that only one side has comes
    with all its fields, so a rule that covers its `/name` decides about all of them.
    """
    rule = first_covering(rules, difference.path)
    if rule is not None:
        return rule
    for item in reversed(list(_ITEM.finditer(difference.path))):
        name = f"{difference.path[: item.end()]}/name"
        if name in paths and (found := first_covering(rules, name)) is not None:
            return found
    return None


def value_at(body: Any, path: str) -> Any:
    """The value of a field, with list items named as in core.ownership.fields; ABSENT if there is none."""
    value, walked = body, ""
    for segment in path.split("/")[1:]:
        name = fields.last_name(f"/{segment}")
        if isinstance(value, list):
            names = fields.item_names(walked, value) or list(map(str, range(len(value))))
            value = value[names.index(name)] if name in names else ABSENT
        else:
            value = value.get(name, ABSENT) if isinstance(value, dict) else ABSENT
        if value is ABSENT:
            return ABSENT
        walked = f"{walked}/{segment}"
    return value


def _violation_without_rule(
    subject: ObjectRules, difference: Difference, rule: VariationRule | None
) -> tuple[Violation, ...]:
    """A difference that no rule allows, or of which the preset's rule warns, or which it forbids."""
    path, kind = difference.path, ViolationKind.UNDECLARED
    why = f"no variation allows {subject.shape.key.kind} {path} to differ{_nearest_rule(subject, path)}"
    if rule is not None:
        kind = ViolationKind.PRESET
        is_warning = rule.outcome is ViolationSeverity.WARN
        verdict = (
            "is unusual: check that it is intended" if is_warning else "must be declared by a variation of its own"
        )
        why = f"{rule.label}: such a difference {verdict}"
    line = declaration_of(subject.shape.ident, f"field: {path}")
    return subject.violation(
        kind,
        severity_of(rule),
        FieldValues(path, difference.before, difference.after),
        why=why,
        remedy=f"make it equal to base, or declare it in {FILE}: {line}",
    )


def _check_schema(
    subject: ObjectRules, difference: Difference, rule: VariationRule, checked: set[tuple[str, str]]
) -> tuple[Violation, ...]:
    """The rule's schema holds for the whole field that the rule names.

    `checked`: (rule, field) that need no more check.
    """
    if rule.schema is None or rule.field is None:
        return ()
    path = rule.field.matched_field(difference.path) or difference.path
    if (rule.label, path) in checked:
        return ()
    checked.add((rule.label, path))
    value = value_at(subject.body, path)
    complaint = rule.schema.complaint(None if value is ABSENT else value)
    if not complaint:
        return ()
    if value is ABSENT:
        why = f"the schema of variation `{rule.label}` does not allow null, and the field is absent here"
    else:
        shown = _without_credentials(subject, path, value, complaint)
        why = f"the value does not fit the schema of variation `{rule.label}`: {shown}"
    return subject.violation(
        ViolationKind.SCHEMA,
        rule.broken,
        FieldValues(difference.path, difference.before, difference.after),
        why=why,
        remedy=f"choose a value that fits, or change the schema in {FILE}",
    )


def _without_credentials(subject: ObjectRules, path: str, value: Any, complaint: str) -> str:
    """The complaint if it quotes no credential. It quotes the value or a part of it, and may be cut in the middle."""
    quoted = (str(leaf)[:_QUOTED] for each, leaf in fields.leaves(value, path) if masking.is_credential(each))
    if subject.body["kind"] == "Secret" or any(start in complaint for start in quoted):
        return "its value is not shown"
    return masking.without_credentials(complaint)


def _nearest_rule(subject: ObjectRules, path: str) -> str:
    """The declared rule that people most probably meant for this path, as part of a sentence; empty if none is near."""
    candidates = [rule for rule in subject.rules if rule.field and not rule.preset]
    near = max(candidates, key=lambda rule: rule.field.common_depth(path) if rule.field else 0, default=None)
    if near is None or near.field is None or near.field.common_depth(path) < 2:
        return ""
    return f"; the nearest one, `{near.label}`, covers {near.field.text}"
