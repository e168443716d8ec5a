"""Collects the fields that name another environment. Only a person knows whether such a name is intended, so `lockstep
init` declares none of them: it writes each as a commented variation.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops.core.config_repo.variations import ObjectPattern, Variation
from gitops.core.contract.variations.field_patterns import one_line_pattern
from gitops.core.contract.violations import Violation, ViolationKind

_LONGEST_VALUE = 100


@dataclass(frozen=True, slots=True)
class ForeignNameFinding:
    """One field that names another environment, in one or more objects. `hard`: it can only mean the place where the
    other environment is deployed. `summary`: environments, object, field and value in one line. `variation`: the
    declaration that the name is intended.
    """

    hard: bool
    summary: str
    variation: Variation


def find_foreign_names(violations: Mapping[str, Collection[Violation]]) -> tuple[ForeignNameFinding, ...]:
    """One finding for each field and named environment. `violations`: overlay -> its violations."""
    found: dict[tuple[str, str], list[Violation]] = {}
    for each in _foreign(violations):
        found.setdefault((each.against, each.field), []).append(each)
    return tuple(_finding(held) for held in found.values())


def _foreign(violations: Mapping[str, Collection[Violation]]) -> Iterator[Violation]:
    for held in violations.values():
        yield from (each for each in held if each.kind is ViolationKind.FOREIGN)


def _finding(held: Sequence[Violation]) -> ForeignNameFinding:
    objects = {ObjectPattern(kind=each.key.kind, name=each.key.name): None for each in held}
    environments = tuple(dict.fromkeys(each.environment for each in held))
    first = held[0]
    more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
    names = f"{', '.join(environments)}: names {first.against}"
    return ForeignNameFinding(
        hard=any(each.forbids for each in held),
        summary=f"{names}: {first.key.kind} {first.key.name}{more} {first.field}: {_cut(first.after)}",
        variation=Variation(
            name=f"names {first.against}",
            objects=tuple(objects),
            field=one_line_pattern(first.field),
            environments=environments,
            names=tuple(first.against.split(" and ")),
        ),
    )


def _cut(value: str | None) -> str:
    line = " ".join((value or "").split())
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}…"
