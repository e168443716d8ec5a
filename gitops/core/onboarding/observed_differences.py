"""Finds every difference of a set of environments from their reference, as if no variation were declared.

Objects that the reference lacks are compared with those of the first environment that has them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops.core.contract.comparison.differences import Difference, compare_shapes
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape, shape_objects
from gitops.core.contract.difference_rules import value_at
from gitops.core.contract.service_images import strip_versions
from gitops.core.contract.survey import SurveyInput
from gitops.core.contract.variations.rule_book import REFERENCE, RuleBook, reference_scope
from gitops.core.objects import Body
from gitops.core.sync.diff import ABSENT


@dataclass(frozen=True, slots=True)
class ObservedDifference:
    """A field of an object that differs. With an empty `path`: an object that only one side has.

    `extra`: the reference lacks the object. `values`: the whole values of the field on both sides, as a schema sees
    them.
    """

    environment: str
    ident: ObjectIdentity
    path: str = ""
    values: tuple[Any, ...] = ()
    extra: bool = False


def find_differences(subjects: Collection[SurveyInput], book: RuleBook) -> tuple[ObservedDifference, ...]:
    """Each difference once. `subjects`: the overlays in the order of the pipeline."""
    found: dict[ObservedDifference, None] = {}
    firsts: dict[ObjectIdentity, tuple[str, ObjectShape]] = {}
    for subject in subjects:
        found.update(dict.fromkeys(_hashable(_compare_with_reference(subject, book, firsts))))
    return tuple(found)


def names_by_kind(subjects: Collection[SurveyInput], book: RuleBook) -> Mapping[str, frozenset[str]]:
    """Kind -> the names of all objects of it, in any environment or the reference, as variations select them."""
    found: dict[str, set[str]] = {}
    for subject in subjects:
        own = shape_objects(subject.bodies, book.scope(subject.environment))
        theirs = shape_objects(subject.reference_bodies, reference_scope(subject.reference_bodies))
        for shape in (*own, *theirs):
            found.setdefault(shape.ident.kind, set()).add(shape.ident.name)
    return {kind: frozenset(names) for kind, names in found.items()}


def _hashable(found: Iterator[ObservedDifference]) -> Iterator[ObservedDifference]:
    """The differences without lists and maps among their values: these are empty ones, which no schema is made from."""
    for each in found:
        yield replace(each, values=tuple(value for value in each.values if not isinstance(value, dict | list)))


def _compare_with_reference(
    subject: SurveyInput, book: RuleBook, firsts: dict[ObjectIdentity, tuple[str, ObjectShape]]
) -> Iterator[ObservedDifference]:
    """`firsts`: objects that the reference lacks -> the first environment that has them; new ones are added."""
    environment = subject.environment
    known = _reference_shapes(subject, book)
    for shape, body in zip(shape_objects(subject.bodies, book.scope(environment)), subject.bodies, strict=True):
        ident = book.shared_identity(shape.ident, environment)
        other = known.pop(ident, None)
        if other is not None:
            one, two = strip_versions(other, book), strip_versions(shape, book)
            unequal = compare_shapes(one, two, book.sides(REFERENCE, environment))
            yield from _field_differences(environment, body, unequal, shape)
            continue
        yield ObservedDifference(environment, shape.ident, extra=True)
        first, theirs = firsts.setdefault(ident, (environment, shape))
        if first != environment:
            one, two = strip_versions(theirs, book), strip_versions(shape, book)
            unequal = compare_shapes(one, two, book.sides(first, environment))
            yield from _field_differences(environment, body, unequal, shape)
    yield from (ObservedDifference(environment, missing.ident) for missing in known.values())


def _field_differences(
    environment: str, body: Body, found: Sequence[Difference], shape: ObjectShape
) -> Iterator[ObservedDifference]:
    for each in found:
        value = value_at(body, each.path)
        values = (each.before, None if value is ABSENT else value)
        yield ObservedDifference(environment, shape.ident, each.path, values)


def _reference_shapes(subject: SurveyInput, book: RuleBook) -> dict[ObjectIdentity, ObjectShape]:
    found = shape_objects(subject.reference_bodies, reference_scope(subject.reference_bodies))
    return {book.shared_identity(shape.ident, REFERENCE): shape for shape in found}
