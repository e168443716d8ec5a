"""The variations of pipeline.yaml, compiled: which differences, of which objects and environments, they let through."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gitops.core.config_repo.variations import ObjectPattern, Variation, ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity
from gitops.core.contract.variations import presets
from gitops.core.contract.variations.field_patterns import Pattern
from gitops.core.contract.variations.settings_files import Format
from gitops.core.contract.variations.value_schema import ValueSchema


@dataclass(frozen=True, slots=True)
class VariationRule:
    """One variation. `outcome` is what a difference in its field costs, `broken` what it costs to break its conditions.

    Empty `kinds`, `objects` and `environments` mean all of them. `distinct` empty = nothing, `("*",)` = every value.
    """

    label: str
    outcome: ViolationSeverity = ViolationSeverity.FREE
    broken: ViolationSeverity = ViolationSeverity.FORBID
    kinds: tuple[str, ...] = ()
    objects: tuple[ObjectPattern, ...] = ()
    field: Pattern | None = None
    environments: tuple[str, ...] = ()
    schema: ValueSchema | None = None
    required: tuple[str, ...] = ()
    distinct: tuple[str, ...] = ()
    format: Format | None = None
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

    def demands_distinct(self, key: str) -> bool:
        return self.distinct == ("*",) or key in self.distinct


def compiled(variations: Sequence[Variation], *, checked: bool = False) -> tuple[VariationRule, ...]:
    """The declared ones first, then those of the presets: who declares something means it.

    Raises: Rejected(InvalidPipeline) for a schema that is none, unless all were `checked` before.
    """
    declared = [
        _rule(variation, number, checked=checked) for number, variation in enumerate(variations) if not variation.preset
    ]
    standard = any(variation.preset == "standard" for variation in variations)
    return (*declared, *(_of_preset(each) for each in presets.STANDARD if standard))


def _rule(variation: Variation, number: int, *, checked: bool) -> VariationRule:
    label = variation.name or f"variations[{number}]"
    distinct, schema = variation.distinct, variation.value_schema
    return VariationRule(
        label=label,
        broken=variation.severity,
        kinds=variation.kinds,
        objects=variation.objects,
        field=Pattern(variation.field) if variation.field else None,
        environments=variation.environments,
        schema=None if schema is None else ValueSchema(label, dict(schema), checked=checked),
        required=variation.required,
        distinct=("*",) if distinct is True else (distinct or ()),
        format=variation.format,
        names=variation.names,
    )


def _of_preset(entry: presets.PresetEntry) -> VariationRule:
    return VariationRule(
        label=f"preset standard: {entry.what}",
        outcome=entry.outcome,
        kinds=entry.kinds,
        field=Pattern(entry.field) if entry.field else None,
        preset=True,
    )
