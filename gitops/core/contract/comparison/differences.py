"""What differs between two shapes of one object, once what is only identity or another spelling is taken away."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops.core.contract.comparison.shapes import HERE, ObjectShape
from gitops.core.parsing import quantities
from gitops.core.sync import diff
from gitops.core.sync.diff import ABSENT

Neutral = Callable[[str], str]
"""Replaces the names of a side's own environment by a placeholder."""

_PORTS = frozenset({"port", "targetPort", "containerPort", "hostPort", "nodePort", "number"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf; ABSENT on the side that does not have it. `path` is the second side's, unless only the first has it."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ObjectPair:
    """How the two sides that are compared name themselves."""

    before: Neutral
    after: Neutral


def differences(before: ObjectShape, after: ObjectShape, sides: ObjectPair) -> tuple[Difference, ...]:
    """In the order of the paths."""
    found = [
        each
        for each in _paired(before.leaves, after.leaves, sides)
        if not _grew(each.path, each.before, after.leaves) and not _grew(each.path, each.after, before.leaves)
    ]
    moved = _moved(before.orders, after.orders)
    return tuple(sorted([*found, *moved], key=lambda difference: difference.path))


def same(path: str, before: Any, after: Any, sides: ObjectPair) -> bool:
    """True for equal values, other spellings of one quantity or port, and texts that are equal but for the names of
    each side's own environment.
    """
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if before == after:
        return type(before) is type(after) or not isinstance(before, str | bytes)
    if before is ABSENT:
        return bool(after == HERE and path.endswith("/namespace"))
    if after is ABSENT:
        return False
    return _same_spelling(path, before, after) or (
        isinstance(before, str) and isinstance(after, str) and sides.before(before) == sides.after(after)
    )


def _same_spelling(path: str, before: Any, after: Any) -> bool:
    if not isinstance(before, int | float | str) or not isinstance(after, int | float | str):
        return False
    if path.rpartition("/")[2] in _PORTS and not path.startswith("/data/"):
        return str(before) == str(after)
    if not diff.is_quantity(path):
        return False
    one = quantities.parse(str(before))
    return one is not None and one == quantities.parse(str(after))


def _paired(before: Mapping[str, Any], after: Mapping[str, Any], sides: ObjectPair) -> Iterator[Difference]:
    for path in before.keys() & after.keys():
        if not same(path, before[path], after[path], sides):
            yield Difference(path, before[path], after[path])
    left = {sides.before(path): path for path in before.keys() - after.keys()}
    for path in after.keys() - before.keys():
        twin = left.pop(sides.after(path), None)
        if twin is None or not same(path, before[twin], after[path], sides):
            found = Difference(path, before[twin] if twin else ABSENT, after[path])
            if twin or not same(path, ABSENT, after[path], sides):
                yield found
    yield from (Difference(path, before[path], ABSENT) for path in left.values())


def _grew(path: str, value: Any, other: Mapping[str, Any]) -> bool:
    """True for an empty map or list that has members on the other side: those are the difference."""
    return isinstance(value, dict | list) and not value and any(each.startswith(f"{path}/") for each in other)


def _moved(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> Iterator[Difference]:
    for path in before.keys() & after.keys():
        one = [name for name in before[path] if name in after[path]]
        two = [name for name in after[path] if name in before[path]]
        if one != two:
            yield Difference(path, ", ".join(one), ", ".join(two))
