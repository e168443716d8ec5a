"""The variations of pipeline.yaml as rules: which differences they allow, in which objects and environments."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gitops.core.config_repo.variations import ObjectPattern, SettingsFormat, Variation, ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity
from gitops.core.contract.variations import presets
from gitops.core.contract.variations.field_patterns import FieldPattern
from gitops.core.contract.variations.value_schema import ValueSchema


@dataclass(frozen=True, slots=True)
class VariationRule:
    """One variation. `outcome`: the severity of a difference in its field; `broken`: the severity of breaking its
    conditions (`schema`, `required`, `distinct`, `format`).

    Empty `kinds`, `objects` and `environments` mean all of them. `distinct` empty = nothing, `("*",)` = every value.
    """

    label: str
    outcome: ViolationSeverity = ViolationSeverity.FREE
    broken: ViolationSeverity = ViolationSeverity.FORBID
    kinds: tuple[str, ...] = ()
    objects: tuple[ObjectPattern, ...] = ()
    field: FieldPattern | None = None
    environments: tuple[str, ...] = ()
    schema: ValueSchema | None = None
    required: tuple[str, ...] = ()
    distinct: tuple[str, ...] = ()
    format: SettingsFormat | None = None
    names: tuple[str, ...] = ()
    preset: bool = False

    def selects(self, ident: ObjectIdentity) -> bool:
        if self.kinds and ident.kind not in self.kinds:
            return False
        return not self.objects or any(
            each.kind in {"*", ident.kind} and fnmatchcase(ident.name, each.name) for each in self.objects
        )

    def applies(self, environment: str) -> bool:
        return not self.environments or environment in self.environments

    def covers(self, path: str) -> bool:
        return self.field is not None and self.field.covers(path)

    def requires_distinct(self, key: str) -> bool:
        return self.distinct == ("*",) or key in self.distinct


def compile_variations(variations: Sequence[Variation], *, checked: bool = False) -> tuple[VariationRule, ...]:
    """The rules in the order in which they are asked: declared ones first, so that they win over a preset.

    `checked`: all schemas were found valid before, and are not checked again.
    Raises: Rejected(InvalidPipeline) for an invalid schema.
    """
    declared = [
        _rule_of_variation(variation, number, checked=checked)
        for number, variation in enumerate(variations)
        if not variation.preset
    ]
    has_standard = any(variation.preset == "standard" for variation in variations)
    return (*declared, *(_rule_of_preset(each) for each in presets.STANDARD if has_standard))


def first_covering(rules: Sequence[VariationRule], path: str) -> VariationRule | None:
    """The first of the rules whose field covers the path."""
    return next((rule for rule in rules if rule.covers(path)), None)


def severity_of(rule: VariationRule | None) -> ViolationSeverity:
    """The severity of a difference that `rule` decides about. None = no rule covers it, so it is forbidden."""
    return ViolationSeverity.FORBID if rule is None else rule.outcome


def _rule_of_variation(variation: Variation, number: int, *, checked: bool) -> VariationRule:
    label = variation.name or f"variations[{number}]"
    distinct, schema = variation.distinct, variation.value_schema
    return VariationRule(
        label=label,
        broken=variation.severity,
        kinds=variation.kinds,
        objects=variation.objects,
        field=FieldPattern(variation.field) if variation.field else None,
        environments=variation.environments,
        schema=None if schema is None else ValueSchema(label, dict(schema), checked=checked),
        required=variation.required,
        distinct=("*",) if distinct is True else (distinct or ()),
        format=variation.format,
        names=variation.names,
    )


def _rule_of_preset(entry: presets.PresetEntry) -> VariationRule:
    return VariationRule(
        label=f"preset standard: {entry.topic}",
        outcome=entry.outcome,
        kinds=entry.kinds,
        field=FieldPattern(entry.field) if entry.field else None,
        preset=True,
    )
