"""One object of an overlay with the rules about its fields, and its violations with values that may be shown."""

from dataclasses import dataclass
from typing import Any

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.comparison.shapes import ObjectIdentity, ObjectShape
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.objects import Body, Key
from gitops.core.sync.diff import ABSENT, SecretMask


@dataclass(frozen=True, slots=True)
class FieldValues:
    """A field with its value in the reference and in the environment; ABSENT where a side lacks it."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """`rules`: those about fields of this object in this environment, in the order in which they are asked."""

    environment: str
    body: Body
    shape: ObjectShape
    rules: tuple[VariationRule, ...]

    def violation(
        self, kind: ViolationKind, severity: ViolationSeverity, values: FieldValues, *, why: str, remedy: str
    ) -> tuple[Violation, ...]:
        """The violation with its values masked where they are credentials; none if the severity is `free`."""
        if severity is ViolationSeverity.FREE:
            return ()
        shown = SecretMask(self.body).change(values.path, values.before, values.after)
        key = self.shape.key
        return (Violation(kind, severity, self.environment, key, values.path, shown.old, shown.new, why, remedy),)


def declaration_of(ident: ObjectIdentity, rest: str) -> str:
    """A variation for one object as a line for pipeline.yaml. `rest`: its other members, such as `field: /spec/x`."""
    return f"- {{objects: [{{kind: {ident.kind}, name: {ident.name}}}], {rest}}}"


def key_of(ident: ObjectIdentity) -> Key:
    return Key(ident.group, ident.kind, ident.namespace, ident.name)


def show_value(ident: ObjectIdentity, path: str, value: Any) -> str:
    """The value as it may be shown: masked where it is a credential, or where the object is a Secret."""
    body = {"kind": ident.kind, "apiVersion": "v1" if not ident.group else f"{ident.group}/v1"}
    return SecretMask(body).change(path, ABSENT, value).new or ""
