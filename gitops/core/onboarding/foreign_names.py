"""Fields that name another environment: nobody but a person knows whether that is meant."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitops.core.config_repo.variations import ObjectPattern, Variation
from gitops.core.contract.variations import field_patterns as paths
from gitops.core.contract.violations import Violation, ViolationKind


@dataclass(frozen=True, slots=True)
class MentionDoubt:
    """`said`: which environments name which, and where. `hard`: it can only mean the other one's place. `variation`
    would say that it is meant.
    """

    hard: bool
    said: str
    variation: Variation


def doubts(violations: Mapping[str, Collection[Violation]]) -> tuple[MentionDoubt, ...]:
    """`violations`: overlay -> its violations. One for each field, of however many objects."""
    found: dict[tuple[str, str], list[Violation]] = {}
    for each in _foreign(violations):
        found.setdefault((each.against, each.field), []).append(each)
    return tuple(_doubt(held) for held in found.values())


def _foreign(violations: Mapping[str, Collection[Violation]]) -> Iterator[Violation]:
    for held in violations.values():
        yield from (each for each in held if each.breach is ViolationKind.FOREIGN)


def _doubt(held: Sequence[Violation]) -> MentionDoubt:
    objects = {ObjectPattern(kind=each.key.kind, name=each.key.name): None for each in held}
    environments = tuple(dict.fromkeys(each.environment for each in held))
    first = held[0]
    more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
    naming = f"{', '.join(environments)}: names {first.against}"
    return MentionDoubt(
        hard=any(each.forbids for each in held),
        said=f"{naming}: {first.key.kind} {first.key.name}{more} {first.field}: {_shown(first.after)}",
        variation=Variation(
            name=f"names {first.against}",
            objects=tuple(objects),
            field=paths.writable(first.field),
            environments=environments,
            names=tuple(first.against.split(" and ")),
        ),
    )


def _shown(value: str | None) -> str:
    line = " ".join((value or "").split())
    return line if len(line) <= 100 else f"{line[:100]}…"
