"""Brings objects into the form in which they are compared: leaf by leaf, without the place they are deployed to.

Removed or replaced here, because it makes no difference: the declared prefix and suffix and the hash of generated
names, also where other fields refer to such a name; the order of lists whose order has no meaning; null members.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops.core.contract.comparison.generated_names import strip_generated_hash
from gitops.core.objects import Body, Key, key
from gitops.core.ownership import fields

_SETS = frozenset(
    {"accessModes", "apiGroups", "dnsNames", "finalizers", "hostnames", "imagePullSecrets", "nonResourceURLs"}
    | {"policyTypes", "resourceNames", "resources", "subjects", "verbs"}
)
_SETS_OF_CAPABILITIES = frozenset({"add", "drop"})
_ORDERED = frozenset({"initContainers", "env"})
OWN_NAMESPACE = "⟨namespace⟩"
"""Replaces the namespace that an object is deployed to, in every field called `namespace` that names it."""


@dataclass(frozen=True, slots=True)
class ObjectIdentity:
    """The key by which objects of two environments are paired. `namespace` is empty for the environment's own one."""

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """One object.

    `leaves`: path -> value; `orders`: path of a list -> the names of its items, if their order matters.
    """

    key: Key
    ident: ObjectIdentity
    leaves: Mapping[str, Any]
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeployScope:
    """The place that a set of objects is deployed to: its own `namespaces`, the `prefix` and `suffix` of its names."""

    namespaces: frozenset[str]
    prefix: str = ""
    suffix: str = ""

    def strip_affixes(self, body: Body) -> str:
        """The object's name without prefix, suffix and generated hash."""
        name = strip_generated_hash(body)
        has_more = len(name) > len(self.prefix) + len(self.suffix)
        if has_more and name.startswith(self.prefix) and name.endswith(self.suffix):
            return name[len(self.prefix) : len(name) - len(self.suffix)]
        return name


def shape_objects(bodies: Collection[Body], scope: DeployScope) -> tuple[ObjectShape, ...]:
    """The shapes of the objects, in the order given. `scope`: the place that they are deployed to."""
    names = {str(body["metadata"]["name"]): scope.strip_affixes(body) for body in bodies}
    renamed = {name: bare for name, bare in names.items() if name != bare}
    return tuple(_shape(body, scope, renamed, names[str(body["metadata"]["name"])]) for body in bodies)


def _shape(body: Body, scope: DeployScope, renamed: Mapping[str, str], bare: str) -> ObjectShape:
    identity = key(body)
    namespace = "" if identity.namespace in scope.namespaces else identity.namespace
    orders: dict[str, tuple[str, ...]] = {}
    leaves = dict(_leaves(_part_to_compare(body), "", orders))
    for path, value in leaves.items():
        if isinstance(value, str):
            if value in renamed:
                leaves[path] = renamed[value]
            elif value in scope.namespaces and path.endswith("/namespace"):
                leaves[path] = OWN_NAMESPACE
    return ObjectShape(identity, ObjectIdentity(identity.group, identity.kind, namespace, bare), leaves, orders)


def _part_to_compare(body: Body) -> dict[str, Any]:
    """The object without its identity (name, namespace) and without fields that only the API server writes."""
    left_out = {"name", "namespace", "creationTimestamp"}
    metadata = {name: value for name, value in body["metadata"].items() if name not in left_out}
    kept = {name: value for name, value in body.items() if name not in {"metadata", "status"}}
    return {**kept, "metadata": metadata} if metadata else kept


def _leaves(value: Any, path: str, orders: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves(member, fields.child(path, str(name)), orders)
    elif isinstance(value, list) and value:
        yield from _items(value, path, orders)
    elif value is not None:
        yield path, value


def _items(items: list[Any], path: str, orders: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, Any]]:
    names = fields.item_names(path, items)
    if names is None:
        name = path.rpartition("/")[2]
        if name in _SETS or (name in _SETS_OF_CAPABILITIES and "/capabilities/" in path):
            items = sorted(items, key=lambda item: json.dumps(item, sort_keys=True, default=str))
        names = list(map(str, range(len(items))))
    elif _has_meaningful_order(path, items):
        orders[path] = tuple(names)
    for name, item in zip(names, items, strict=True):
        yield from _leaves(item, fields.child(path, name), orders)


def _has_meaningful_order(path: str, items: list[Any]) -> bool:
    """True for init containers, which run in order, and for variables of which one uses `$(NAME)`.

    `$(NAME)` refers to a variable above it:
    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    field_name = path.rpartition("/")[2]
    if field_name not in _ORDERED:
        return False
    return field_name != "env" or any("$(" in str(item.get("value")) for item in items)
