"""What one overlay's render is, measured against the reference: the violations that it shows alone, and what it takes
to judge it beside the other environments.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.differences import Difference, differences
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape, shapes
from gitops.core.contract.difference_rules import ObjectRules, Tally, without_tags
from gitops.core.contract.environment_names import values_only
from gitops.core.contract.variations import rule_book as books
from gitops.core.contract.variations.opened import opened
from gitops.core.contract.variations.rule_book import REFERENCE, RuleBook
from gitops.core.contract.violations import Violation
from gitops.core.images.reference import Image
from gitops.core.manifests import container_images
from gitops.core.objects import Body
from gitops.core.ownership import fields
from gitops.core.sync.diff import ABSENT

# What kinds, API groups, programs and the names of variables and keys say is about no environment.
_UNNAMING = re.compile(r"^/(?:apiVersion|kind)$|/(?:apiGroups?|apiVersion|kind|key)(?:/|$)|/env/[^/]*/name$")
_PROGRAM = re.compile(r"/(?:args|command)/0$")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that must be distinct: the rule that says so, the object and where it stands in it without the names of
    the environment, and the name by which people know it.
    """

    rule: str
    severity: ViolationSeverity
    ident: ObjectIdentity
    where: str
    path: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ObjectText:
    """A text of an object, and where it stands."""

    ident: ObjectIdentity
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A text that names environments, its own too. `hard`: it can only mean their place, it is not just a word.
    `inherited`: the environment did not set it, it is of the reference, or of an object that the reference lacks.
    """

    text: ObjectText
    word: str
    environments: frozenset[str]
    hard: bool
    inherited: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """`name`: the overlay; `reference`: the directory it was compared with; `base`: the commit both were taken from.

    `texts` are those that the reference does not have, `extras` the objects that it does not have, with their
    configuration files opened. `images` are those of declared services. `declared`: how many differences a variation
    lets through, `free`: how many of these a preset does.
    """

    name: str
    environment: str
    reference: str
    base: str
    violations: tuple[Violation, ...]
    settings: tuple[Setting, ...] = ()
    mentions: tuple[Mention, ...] = ()
    texts: tuple[ObjectText, ...] = ()
    extras: tuple[ObjectShape, ...] = ()
    images: tuple[Image, ...] = ()
    declared: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class SurveyInput:
    """What is surveyed: an overlay's name, its environment, its objects; and those of the reference beside it."""

    name: str
    environment: str
    bodies: Sequence[Body]
    reference: str
    reference_bodies: Sequence[Body]
    base: str = ""


def survey(subject: SurveyInput, book: RuleBook) -> Survey:
    """Pure: equal subjects and books give equal surveys."""
    surveyor = _Surveyor(subject, book, Tally(subject.environment))
    home = books.reference_home(subject.reference_bodies)
    reference = _indexed(shapes(subject.reference_bodies, home), book, REFERENCE)
    own = shapes(subject.bodies, book.home(subject.environment))
    for shape, body in zip(own, subject.bodies, strict=True):
        surveyor.look_at(shape, body, reference.pop(book.ident(shape.ident, subject.environment), None))
    for missing in reference.values():
        surveyor.miss(missing)
    return surveyor.result()


def _indexed(found: Collection[ObjectShape], book: RuleBook, environment: str) -> dict[ObjectIdentity, ObjectShape]:
    return {book.ident(shape.ident, environment): shape for shape in found}


@dataclass(slots=True)
class _Surveyor:
    subject: SurveyInput
    book: RuleBook
    verdicts: Tally
    settings: list[Setting] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    texts: list[ObjectText] = field(default_factory=list)
    extras: list[ObjectShape] = field(default_factory=list)
    images: set[Image] = field(default_factory=set)

    def look_at(self, shape: ObjectShape, body: Body, reference: ObjectShape | None) -> None:
        here = (self.subject.environment,)
        sheet = ObjectRules(body, shape, self.book.field_rules(shape.ident, here))
        whole = opened(shape, sheet.rules, lambda path, rule, why: self.verdicts.unreadable(sheet, path, rule, why))
        if reference is None:
            self.verdicts.added(sheet, self.book.presence(shape.ident, here))
            self.extras.append(self._untagged(whole))
            self.texts += [
                ObjectText(shape.ident, path, text) for path, text in whole.leaves.items() if isinstance(text, str)
            ]
        else:
            found = self._differences(opened(reference, sheet.rules), whole)
            self.verdicts.fields(sheet, found)
            self.texts += [
                ObjectText(shape.ident, each.path, each.after) for each in found if isinstance(each.after, str)
            ]
        self.verdicts.demands(sheet, whole)
        self.verdicts.images(sheet, self.book)
        self.images |= {image for image in container_images.images_of(body) if image.name in self.book.services}
        self.settings += self._distinct(sheet, whole)
        self.mentions += self._namings(sheet, whole, reference)

    def miss(self, reference: ObjectShape) -> None:
        self.verdicts.missing(reference, self.book.presence(reference.ident, (self.subject.environment,)))

    def result(self) -> Survey:
        return Survey(
            name=self.subject.name,
            environment=self.subject.environment,
            reference=self.subject.reference,
            base=self.subject.base,
            violations=tuple(self.verdicts.violations),
            settings=tuple(self.settings),
            mentions=tuple(self.mentions),
            texts=tuple(self.texts),
            extras=tuple(self.extras),
            images=tuple(sorted(self.images, key=str)),
            declared=self.verdicts.declared,
            free=self.verdicts.free,
        )

    def _untagged(self, shape: ObjectShape) -> ObjectShape:
        return replace(shape, leaves=dict(without_tags(shape, self.book)))

    def _differences(self, before: ObjectShape, after: ObjectShape) -> tuple[Difference, ...]:
        sides = self.book.sides(REFERENCE, self.subject.environment)
        return differences(self._untagged(before), self._untagged(after), sides)

    def _distinct(self, sheet: ObjectRules, shape: ObjectShape) -> Iterator[Setting]:
        environment = self.subject.environment
        for rule in sheet.rules:
            if not rule.distinct:
                continue
            for path, value in shape.leaves.items():
                name = fields.last_name(path)
                if rule.covers(path) and rule.demands_distinct(name) and value is not ABSENT:
                    ident = self.book.ident(shape.ident, environment)
                    where = self.book.vocabulary.neutral(path, environment)
                    yield Setting(rule.label, rule.broken, ident, where, path, name, str(value))

    def _namings(self, sheet: ObjectRules, shape: ObjectShape, reference: ObjectShape | None) -> Iterator[Mention]:
        """Secrets' values are encoded, so they name nobody; what refers to a Secret does."""
        hidden = "/data/" if sheet.body["kind"] == "Secret" else None
        leaves = [("/metadata/name", shape.ident.name), ("/metadata/namespace", shape.ident.namespace)]
        for path, value in (*leaves, *shape.leaves.items()):
            if isinstance(value, str) and not (hidden and path.startswith(hidden)) and not _is_unnaming(path):
                inherited = reference is None or reference.leaves.get(path) == value
                yield from self._named(sheet, ObjectText(shape.ident, path, value), inherited=inherited)

    def _named(self, sheet: ObjectRules, text: ObjectText, *, inherited: bool) -> Iterator[Mention]:
        for naming in self.book.vocabulary.namings(values_only(text.value)):
            known = {naming.word, *naming.environments}
            if any(known & set(rule.names) for rule in sheet.rules if rule.names and rule.covers(text.path)):
                continue
            hard = naming.hard or text.path.endswith("/namespace")
            yield Mention(text, naming.word, naming.environments, hard, inherited)


def _is_unnaming(path: str) -> bool:
    return _UNNAMING.search(path) is not None or _PROGRAM.search(path) is not None
