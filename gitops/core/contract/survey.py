"""Surveys one overlay: its objects beside those of the reference. The result holds the violations that the overlay
shows by itself, and the facts for the comparison with other environments (cross_environment).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from gitops.core.contract import distinct_values, foreign_names, service_images
from gitops.core.contract.comparison.differences import Difference, compare_shapes
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape, shape_objects
from gitops.core.contract.difference_rules import OverlayFindings
from gitops.core.contract.object_rules import ObjectRules
from gitops.core.contract.survey_result import Mention, ObjectText, Setting, Survey
from gitops.core.contract.variations.rule_book import REFERENCE, RuleBook, reference_scope
from gitops.core.contract.variations.settings_files import open_settings_files
from gitops.core.images.reference import Image
from gitops.core.manifests import container_images
from gitops.core.objects import Body


@dataclass(frozen=True, slots=True)
class SurveyInput:
    """An overlay with its rendered objects, and the objects of the reference that it is compared with."""

    name: str
    environment: str
    bodies: Sequence[Body]
    reference: str
    reference_bodies: Sequence[Body]
    base: str = ""


def survey(subject: SurveyInput, book: RuleBook) -> Survey:
    """Pure: equal inputs and rule books give equal surveys."""
    surveyor = _Surveyor(subject, book, OverlayFindings(subject.environment))
    scope = reference_scope(subject.reference_bodies)
    reference = _by_identity(shape_objects(subject.reference_bodies, scope), book)
    own = shape_objects(subject.bodies, book.scope(subject.environment))
    for shape, body in zip(own, subject.bodies, strict=True):
        identity = book.shared_identity(shape.ident, subject.environment)
        surveyor.add_object(shape, body, reference.pop(identity, None))
    for missing in reference.values():
        surveyor.add_missing(missing)
    return surveyor.result()


def _by_identity(found: Collection[ObjectShape], book: RuleBook) -> dict[ObjectIdentity, ObjectShape]:
    return {book.shared_identity(shape.ident, REFERENCE): shape for shape in found}


@dataclass(slots=True)
class _Surveyor:
    subject: SurveyInput
    book: RuleBook
    found: OverlayFindings
    settings: list[Setting] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    texts: list[ObjectText] = field(default_factory=list)
    extras: list[ObjectShape] = field(default_factory=list)
    images: set[Image] = field(default_factory=set)

    def add_object(self, shape: ObjectShape, body: Body, reference: ObjectShape | None) -> None:
        """An object of the overlay. `reference`: the same object of the reference, None = the reference lacks it."""
        here = (self.subject.environment,)
        rules = self.book.field_rules(shape.ident, here)
        about = ObjectRules(self.subject.environment, body, shape, rules)
        opened = open_settings_files(
            shape, rules, lambda path, rule, reason: self.found.report_unreadable(about, path, rule, reason)
        )
        if reference is None:
            self.found.check_added(about, self.book.presence_rule(shape.ident, here))
            self.extras.append(service_images.strip_versions(opened, self.book))
            self._add_texts(shape.ident, opened.leaves.items())
        else:
            found = self._compare(open_settings_files(reference, rules), opened)
            self.found.check_fields(about, found)
            self._add_texts(shape.ident, ((each.path, each.after) for each in found))
        self.found.require_settings(about, opened)
        self.found.violations += service_images.check_images(about, self.book)
        self.images |= {image for image in container_images.images_of(body) if image.name in self.book.services}
        self.settings += distinct_values.find_settings(about, opened, self.book)
        self.mentions += foreign_names.find_mentions(about, opened, reference, self.book)

    def add_missing(self, reference: ObjectShape) -> None:
        """An object of the reference that the overlay lacks."""
        rule = self.book.presence_rule(reference.ident, (self.subject.environment,))
        self.found.check_missing(reference, rule)

    def result(self) -> Survey:
        return Survey(
            name=self.subject.name,
            environment=self.subject.environment,
            reference=self.subject.reference,
            base=self.subject.base,
            violations=tuple(self.found.violations),
            settings=tuple(self.settings),
            mentions=tuple(self.mentions),
            texts=tuple(self.texts),
            extras=tuple(self.extras),
            images=tuple(sorted(self.images, key=str)),
            declared=self.found.declared,
            free=self.found.free,
        )

    def _add_texts(self, ident: ObjectIdentity, leaves: Iterable[tuple[str, object]]) -> None:
        self.texts += [ObjectText(ident, path, value) for path, value in leaves if isinstance(value, str)]

    def _compare(self, before: ObjectShape, after: ObjectShape) -> tuple[Difference, ...]:
        one, two = (service_images.strip_versions(shape, self.book) for shape in (before, after))
        return compare_shapes(one, two, self.book.sides(REFERENCE, self.subject.environment))
