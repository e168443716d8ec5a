"""The result of a survey: the violations of one overlay by itself, and the facts that other environments are compared
with.

It is kept in the cache of surveys as JSON, so every field is plain data.
"""

from dataclasses import dataclass

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape
from gitops.core.contract.violations import Violation
from gitops.core.images.reference import Image


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that must be distinct. `rule`: the label of the variation that declares so; `ident` and `where`: the
    object and the path in it, both without the names of the environment; `name`: the last segment of the path.
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
    """A text in a field of an object."""

    ident: ObjectIdentity
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A text that names environments, perhaps its own. `hard`: it can only mean the place where they are deployed.
    `inherited`: the overlay did not set the text: it comes from the reference, or the reference lacks the object.
    """

    text: ObjectText
    word: str
    environments: frozenset[str]
    hard: bool
    inherited: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """`name`: the overlay; `reference`: the directory it was compared with; `base`: the commit of both.

    `texts`: texts that the reference lacks; `extras`: objects that the reference lacks, with their settings files
    opened; `images`: those of declared services. `declared`: the number of differences that a variation allows, `free`:
    the number of these that a preset allows.
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
