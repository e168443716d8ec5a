"""What the rules say about one overlay's differences. Every sentence that a person reads about them is made here."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops.core.config_repo.pipeline import FILE
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import Difference
from gitops.core.contract.comparison.shapes import ObjectShape
from gitops.core.contract.variations import rule_book as books
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.objects import Body
from gitops.core.ownership import fields
from gitops.core.sync import masking
from gitops.core.sync.diff import ABSENT, SecretMask

_ITEM = re.compile(r"/(?:containers|initContainers|volumes|env)/[^/]+(?=/)")
_PODS = r"^/spec(?:/template/spec|/jobTemplate/spec/template/spec)?"
_IMAGE_OF_POD = re.compile(rf"{_PODS}/(?:containers|initContainers|ephemeralContainers)/[^/]+/image$")
"""Where manifests.images_of looks: the images that promotions know and prove."""
_IMAGE = re.compile(r"^/spec/(?:.*/)?image$")
_QUOTED = 6
"""So many characters of a credential tell that it is quoted."""


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """One object of the overlay: its body, its shape, and the rules about its fields."""

    body: Body
    shape: ObjectShape
    rules: tuple[VariationRule, ...]


@dataclass(slots=True)
class Tally:
    """Collects; `declared` and `free` count what was let through, by any rule and by a preset."""

    environment: str
    violations: list[Violation] = field(default_factory=list)
    declared: int = 0
    free: int = 0

    def fields(self, sheet: ObjectRules, found: Collection[Difference]) -> None:
        """Differences from the reference's object."""
        by_path = {difference.path: difference for difference in found}
        judged: set[tuple[str, str]] = set()
        for difference in found:
            rule = ruling(sheet.rules, difference, by_path)
            if books.costs(rule) is not ViolationSeverity.FREE:
                self._undeclared(sheet, difference, rule)
            elif rule is not None:
                self.declared += 1
                self.free += rule.preset
                self._schema(sheet, difference, rule, judged)

    def added(self, sheet: ObjectRules, rule: VariationRule | None) -> None:
        self._presence(sheet.shape, rule, "is not in base")

    def missing(self, shape: ObjectShape, rule: VariationRule | None) -> None:
        self._presence(shape, rule, "is in base, but missing here")

    def demands(self, sheet: ObjectRules, opened: ObjectShape) -> None:
        """What `required` wants: an absolute demand on every object that the variation is about."""
        for rule in sheet.rules:
            known = {fields.last_name(path) for path in opened.leaves if rule.required and rule.covers(path)}
            for name in rule.required:
                if name not in known:
                    why = f"variation `{rule.label}` requires `{name}`, which is not set here"
                    remedy = f"set `{name}` in this environment"
                    place = fields.child(rule.field.text if rule.field else "", name)
                    self._add(sheet, ViolationKind.REQUIRED, rule.broken, (place, ABSENT, ABSENT), (why, remedy))

    def images(self, sheet: ObjectRules, book: RuleBook) -> None:
        """Images of declared services are pinned; with the standard preset the last environment runs no `latest`."""
        for path, value in sheet.shape.leaves.items():
            if not _IMAGE.search(path):
                continue
            image = book.service_image(value)
            if image is not None and not image.digest:
                why = "is the image of a service, but not pinned by its digest: what runs could change without a commit"
                remedy = "set newTag and digest under `images:`; Lockstep writes both"
                self._add(sheet, ViolationKind.UNPINNED, ViolationSeverity.FORBID, (path, ABSENT, value), (why, remedy))
            elif image is None and book.is_standard and book.is_last(self.environment) and _is_loose(str(value)):
                why = "has no fixed version: `latest`, or no tag at all"
                self._add(
                    sheet, ViolationKind.PRESET, ViolationSeverity.WARN, (path, ABSENT, value), (why, "name a version")
                )

    def unreadable(self, sheet: ObjectRules, path: str, rule: VariationRule, why: str) -> None:
        said = f"variation `{rule.label}` reads this as {rule.format}, but it cannot be read: {why}"
        remedy = f"mend the file, or correct `format` of `{rule.label}` in {FILE}"
        self._add(sheet, ViolationKind.FORMAT, rule.broken, (path, ABSENT, ABSENT), (said, remedy))

    def _undeclared(self, sheet: ObjectRules, difference: Difference, rule: VariationRule | None) -> None:
        if rule is not None:
            verdict = "is worth a look" if rule.outcome is ViolationSeverity.WARN else "must be declared by name"
            why = f"{rule.label}: such a difference {verdict}"
            breach = ViolationKind.PRESET
        else:
            why = f"no variation lets {sheet.shape.key.kind} {difference.path} differ{_nearest(sheet, difference.path)}"
            breach = ViolationKind.UNDECLARED
        remedy = f"make it equal to base, or declare it in {FILE}: {_declaration(sheet.shape, difference.path)}"
        found = (difference.path, difference.before, difference.after)
        self._add(sheet, breach, books.costs(rule), found, (why, remedy))

    def _schema(
        self, sheet: ObjectRules, difference: Difference, rule: VariationRule, judged: set[tuple[str, str]]
    ) -> None:
        if rule.schema is None or rule.field is None:
            return
        path = rule.field.selected(difference.path) or difference.path
        if (rule.label, path) in judged:
            return
        judged.add((rule.label, path))
        value = value_at(sheet.body, path)
        complaint = rule.schema.complaint(None if value is ABSENT else value)
        if complaint:
            said = "is absent here" if value is ABSENT else f"does not fit: {_told(sheet, path, value, complaint)}"
            why = f"the schema of variation `{rule.label}`: {said}"
            remedy = f"choose a value that fits, or change the schema in {FILE}"
            found = (difference.path, difference.before, difference.after)
            self._add(sheet, ViolationKind.SCHEMA, rule.broken, found, (why, remedy))

    def _presence(self, shape: ObjectShape, rule: VariationRule | None, what: str) -> None:
        if books.costs(rule) is ViolationSeverity.FREE:
            self.declared += 1
            self.free += rule is not None and rule.preset
            return
        ident = shape.ident
        why = f"the object {what}, and no variation lets it" + (f" ({rule.label})" if rule else "")
        remedy = (
            f"move it to base, or declare it in {FILE}: - {{objects: [{{kind: {ident.kind}, name: {ident.name}}}], "
        )
        remedy += f"environments: [{self.environment}]}}"
        breach = ViolationKind.PRESET if rule else ViolationKind.PRESENCE
        violation = Violation(breach, books.costs(rule), self.environment, shape.key, "", None, None, why, remedy)
        self.violations.append(violation)

    def _add(
        self,
        sheet: ObjectRules,
        breach: ViolationKind,
        severity: ViolationSeverity,
        found: tuple[str, Any, Any],
        said: tuple[str, str],
    ) -> None:
        if severity is not ViolationSeverity.FREE:
            path, before, after = found
            shown = SecretMask(sheet.body).change(path, before, after)
            why, remedy = said
            self.violations.append(
                Violation(breach, severity, self.environment, sheet.shape.key, path, shown.old, shown.new, why, remedy)
            )


def ruling(rules: Sequence[VariationRule], difference: Difference, beside: Collection[str]) -> VariationRule | None:
    """The rule that decides about a difference: the first that covers it, else the one that let its item in.

    A container, volume or variable that only one side has comes with all its fields: its name stands for it.
    """
    rule = books.first(rules, difference.path)
    if rule is not None:
        return rule
    for item in reversed(list(_ITEM.finditer(difference.path))):
        name = f"{difference.path[: item.end()]}/name"
        if name in beside and (found := books.first(rules, name)) is not None:
            return found
    return None


def value_at(body: Any, path: str) -> Any:
    """The value of a field, lists addressed as `fields` names their items; ABSENT when there is none."""
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


def _told(sheet: ObjectRules, path: str, value: Any, complaint: str) -> str:
    """A complaint quotes the value, or a part of it, and may be cut."""
    quoted = (str(leaf)[:_QUOTED] for each, leaf in fields.leaves(value, path) if masking.is_credential(each))
    if sheet.body["kind"] == "Secret" or any(start in complaint for start in quoted):
        return "its value is not shown"
    return masking.without_credentials(complaint)


def _is_loose(image: str) -> bool:
    tag = image.rpartition("/")[2].partition(":")[2]
    return "@" not in image and tag in {"", "latest"}


def _nearest(sheet: ObjectRules, path: str) -> str:
    """The declared rule that people may have meant, and what it is about."""
    candidates = [rule for rule in sheet.rules if rule.field and not rule.preset]
    near = max(candidates, key=lambda rule: rule.field.closeness(path) if rule.field else 0, default=None)
    if near is None or near.field is None or near.field.closeness(path) < 2:
        return ""
    return f"; the nearest, `{near.label}`, is about {near.field.text}"


def _declaration(shape: ObjectShape, path: str) -> str:
    ident = shape.ident
    return f"- {{objects: [{{kind: {ident.kind}, name: {ident.name}}}], field: {path}}}"


def without_tags(shape: ObjectShape, book: RuleBook) -> Iterator[tuple[str, Any]]:
    """Leaves with the images of declared services reduced to their names where pods have them: there the rest is the
    business of promotions. Anywhere else an image is a value like every other.
    """
    for path, value in shape.leaves.items():
        image = book.service_image(value) if _IMAGE_OF_POD.search(path) else None
        yield path, image.name if image else value
