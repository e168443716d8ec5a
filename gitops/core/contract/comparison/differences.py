"""Finds the differences between two shapes of one object. Identity and other spellings of a value do not count."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops.core.contract.comparison.shapes import OWN_NAMESPACE, ObjectShape
from gitops.core.parsing import quantities
from gitops.core.sync import diff
from gitops.core.sync.diff import ABSENT

Neutralize = Callable[[str], str]
"""Replaces the names of a side's own environment by a placeholder."""

_PORTS = frozenset({"port", "targetPort", "containerPort", "hostPort", "nodePort", "number"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf; ABSENT on the side that lacks it. `path` is that of the second side, unless only the first has it."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ComparedSides:
    """The functions that take an environment's own names out of a text, one for each side."""

    before: Neutralize
    after: Neutralize


def compare_shapes(before: ObjectShape, after: ObjectShape, sides: ComparedSides) -> tuple[Difference, ...]:
    """All differences of two shapes of one object, ordered by path."""
    found = [
        each
        for each in _compare_leaves(before.leaves, after.leaves, sides)
        if not _has_members_in(after.leaves, each.path, each.before)
        and not _has_members_in(before.leaves, each.path, each.after)
    ]
    moved = _compare_orders(before.orders, after.orders)
    return tuple(sorted([*found, *moved], key=lambda difference: difference.path))


def is_same(path: str, before: Any, after: Any, sides: ComparedSides) -> bool:
    """True for equal values, for two spellings of one quantity or port, and for texts that are equal once each side's
    own environment names are taken out.
    """
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if before == after:
        return type(before) is type(after) or not isinstance(before, str | bytes)
    if before is ABSENT:
        return bool(after == OWN_NAMESPACE and path.endswith("/namespace"))
    if after is ABSENT:
        return False
    return _is_other_spelling(path, before, after) or (
        isinstance(before, str) and isinstance(after, str) and sides.before(before) == sides.after(after)
    )


def _is_other_spelling(path: str, before: Any, after: Any) -> bool:
    if not isinstance(before, int | float | str) or not isinstance(after, int | float | str):
        return False
    if path.rpartition("/")[2] in _PORTS and not path.startswith("/data/"):
        return str(before) == str(after)
    if not diff.is_quantity(path):
        return False
    one = quantities.parse(str(before))
    return one is not None and one == quantities.parse(str(after))


def _compare_leaves(before: Mapping[str, Any], after: Mapping[str, Any], sides: ComparedSides) -> Iterator[Difference]:
    """Leaves are paired by path; paths that only one side has are paired once environment names are taken out."""
    for path in before.keys() & after.keys():
        if not is_same(path, before[path], after[path], sides):
            yield Difference(path, before[path], after[path])
    left = {sides.before(path): path for path in before.keys() - after.keys()}
    for path in after.keys() - before.keys():
        twin = left.pop(sides.after(path), None)
        if twin is None or not is_same(path, before[twin], after[path], sides):
            found = Difference(path, before[twin] if twin else ABSENT, after[path])
            if twin or not is_same(path, ABSENT, after[path], sides):
                yield found
    yield from (Difference(path, before[path], ABSENT) for path in left.values())


def _has_members_in(other: Mapping[str, Any], path: str, value: Any) -> bool:
    """True for an empty map or list that has members on the other side: those members are the differences."""
    return isinstance(value, dict | list) and not value and any(each.startswith(f"{path}/") for each in other)


def _compare_orders(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> Iterator[Difference]:
    for path in before.keys() & after.keys():
        one = [name for name in before[path] if name in after[path]]
        two = [name for name in after[path] if name in before[path]]
        if one != two:
            yield Difference(path, ", ".join(one), ", ".join(two))
