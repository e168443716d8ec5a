"""Shapes with the configuration files inside them taken apart, where a variation says in which format they are."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

from gitops.core.contract.comparison.shapes import ObjectShape
from gitops.core.contract.variations import settings_files as settings
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.errors import Rejected
from gitops.core.ownership import fields

Complain = Callable[[str, VariationRule, str], None]
"""Told of a file that cannot be read: its path, the rule that wants it read, and why it cannot."""


def opened(shape: ObjectShape, rules: Collection[VariationRule], complain: Complain | None = None) -> ObjectShape:
    """What cannot be read stays one text."""
    readable = [rule for rule in rules if rule.format and rule.field]
    if not readable:
        return shape
    leaves = dict(each for path, value in shape.leaves.items() for each in _opened(path, value, readable, complain))
    return replace(shape, leaves=leaves)


def _opened(
    path: str, value: Any, readable: Collection[VariationRule], complain: Complain | None
) -> Iterator[tuple[str, Any]]:
    rule = next((rule for rule in readable if rule.field and rule.field.selected(path) == path), None)
    if rule is None or rule.format is None or not isinstance(value, str):
        yield path, value
        return
    try:
        found = settings.parse(value, rule.format)
    except Rejected as error:
        if complain:
            complain(path, rule, error.message)
        yield path, value
        return
    yield from ((fields.child(path, name), each) for name, each in found.items())
