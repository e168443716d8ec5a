"""Every difference of a set of environments from their reference, and of what the reference lacks among each other,
as `survey` and `across` would judge it with no variation declared.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops.core.contract.comparison.differences import Difference, differences
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape, shapes
from gitops.core.contract.difference_rules import value_at, without_tags
from gitops.core.contract.survey import SurveyInput
from gitops.core.contract.variations import rule_book as books
from gitops.core.contract.variations.rule_book import REFERENCE, RuleBook
from gitops.core.objects import Body
from gitops.core.sync.diff import ABSENT


@dataclass(frozen=True, slots=True)
class Finding:
    """A field of an object that differs, or, with an empty `path`, an object that only one side has. `extra`: the
    reference has no such object. `values` are the whole values of the field, as a schema would be asked about them.
    """

    environment: str
    ident: ObjectIdentity
    path: str = ""
    values: tuple[Any, ...] = ()
    extra: bool = False


def findings(subjects: Collection[SurveyInput], book: RuleBook) -> tuple[Finding, ...]:
    """`subjects` in the order of the pipeline: objects that the reference lacks are compared with the first one's."""
    found: dict[Finding, None] = {}
    firsts: dict[ObjectIdentity, tuple[str, ObjectShape]] = {}
    for subject in subjects:
        found.update(dict.fromkeys(_hashable(_of_subject(subject, book, firsts))))
    return tuple(found)


def _hashable(found: Iterator[Finding]) -> Iterator[Finding]:
    """Lists and maps among the values are empty ones: nobody asks about them."""
    for each in found:
        yield replace(each, values=tuple(value for value in each.values if not isinstance(value, dict | list)))


def _of_subject(
    subject: SurveyInput, book: RuleBook, firsts: dict[ObjectIdentity, tuple[str, ObjectShape]]
) -> Iterator[Finding]:
    environment = subject.environment
    known = _reference(subject, book)
    for shape, body in zip(shapes(subject.bodies, book.home(environment)), subject.bodies, strict=True):
        ident = book.ident(shape.ident, environment)
        other = known.pop(ident, None)
        if other is not None:
            both = (_untagged(other, book), _untagged(shape, book))
            yield from _fields(environment, body, differences(*both, book.sides(REFERENCE, environment)), shape)
            continue
        yield Finding(environment, shape.ident, extra=True)
        first, theirs = firsts.setdefault(ident, (environment, shape))
        if first != environment:
            unequal = differences(_untagged(theirs, book), _untagged(shape, book), book.sides(first, environment))
            yield from _fields(environment, body, unequal, shape)
    yield from (Finding(environment, missing.ident) for missing in known.values())


def _fields(environment: str, body: Body, found: Sequence[Difference], shape: ObjectShape) -> Iterator[Finding]:
    for each in found:
        value = value_at(body, each.path)
        values = (each.before, None if value is ABSENT else value)
        yield Finding(environment, shape.ident, each.path, values)


def _reference(subject: SurveyInput, book: RuleBook) -> dict[ObjectIdentity, ObjectShape]:
    found = shapes(subject.reference_bodies, books.reference_home(subject.reference_bodies))
    return {book.ident(shape.ident, REFERENCE): shape for shape in found}


def _untagged(shape: ObjectShape, book: RuleBook) -> ObjectShape:
    return replace(shape, leaves=dict(without_tags(shape, book)))


def kinds_of(subjects: Collection[SurveyInput], book: RuleBook) -> Mapping[str, frozenset[str]]:
    """Kind -> the names of all objects of it, in any environment or the reference, as variations select them."""
    found: dict[str, set[str]] = {}
    for subject in subjects:
        own = shapes(subject.bodies, book.home(subject.environment))
        theirs = shapes(subject.reference_bodies, books.reference_home(subject.reference_bodies))
        for shape in (*own, *theirs):
            found.setdefault(shape.ident.kind, set()).add(shape.ident.name)
    return {kind: frozenset(names) for kind, names in found.items()}
