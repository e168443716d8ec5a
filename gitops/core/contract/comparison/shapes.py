"""Objects in the form in which they are compared: leaf by leaf, without what says only where they are deployed.

What makes no difference is taken out here: the declared prefix and suffix and the hash of generated names, also where
other fields refer to such a name; the order of lists that have none; members that are null.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops.core.contract.comparison.generated_names import bare_name
from gitops.core.objects import Body, Key, key
from gitops.core.ownership import fields

_SETS = frozenset(
    {"accessModes", "apiGroups", "dnsNames", "finalizers", "hostnames", "imagePullSecrets", "nonResourceURLs"}
    | {"policyTypes", "resourceNames", "resources", "subjects", "verbs"}
)
_SETS_OF_CAPABILITIES = frozenset({"add", "drop"})
_ORDERED = frozenset({"initContainers", "env"})
HERE = "⟨namespace⟩"
"""Stands for the namespace that an object is deployed to, wherever a field names it."""


@dataclass(frozen=True, slots=True)
class ObjectIdentity:
    """What makes two objects of different environments the same one. `namespace` is empty for the environment's own."""

    group: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """One object. `leaves`: path -> value; `orders`: path of a list -> the names of its items, where order matters."""

    key: Key
    ident: ObjectIdentity
    leaves: Mapping[str, Any]
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeployScope:
    """Where a set of objects is deployed to. `namespaces` are its own ones; `prefix` and `suffix` of its names."""

    namespaces: frozenset[str]
    prefix: str = ""
    suffix: str = ""

    def bare(self, body: Body) -> str:
        name = bare_name(body)
        whole = len(name) > len(self.prefix) + len(self.suffix)
        if whole and name.startswith(self.prefix) and name.endswith(self.suffix):
            return name[len(self.prefix) : len(name) - len(self.suffix)]
        return name


def shapes(bodies: Collection[Body], home: DeployScope) -> tuple[ObjectShape, ...]:
    """In the order given."""
    names = {str(body["metadata"]["name"]): home.bare(body) for body in bodies}
    renamed = {name: bare for name, bare in names.items() if name != bare}
    return tuple(_shape(body, home, renamed, names[str(body["metadata"]["name"])]) for body in bodies)


def _shape(body: Body, home: DeployScope, renamed: Mapping[str, str], bare: str) -> ObjectShape:
    identity = key(body)
    namespace = "" if identity.namespace in home.namespaces else identity.namespace
    orders: dict[str, tuple[str, ...]] = {}
    leaves = dict(_leaves(_compared(body), "", orders))
    for path, value in leaves.items():
        if isinstance(value, str):
            if value in renamed:
                leaves[path] = renamed[value]
            elif value in home.namespaces and path.endswith("/namespace"):
                leaves[path] = HERE
    return ObjectShape(identity, ObjectIdentity(identity.group, identity.kind, namespace, bare), leaves, orders)


def _compared(body: Body) -> dict[str, Any]:
    """Without name and namespace, which are the identity, and what only the server writes."""
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
    elif _order_matters(path, items):
        orders[path] = tuple(names)
    for name, item in zip(names, items, strict=True):
        yield from _leaves(item, fields.child(path, name), orders)


def _order_matters(path: str, items: list[Any]) -> bool:
    """Init containers run in order, and `$(NAME)` refers to variables above it."""
    field_name = path.rpartition("/")[2]
    if field_name not in _ORDERED:
        return False
    return field_name != "env" or any("$(" in str(item.get("value")) for item in items)
