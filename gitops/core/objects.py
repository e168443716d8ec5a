"""Identity of Kubernetes objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]
"""A Kubernetes object as parsed JSON or YAML. Only modules of core read its fields."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Identity of an object: group, kind, namespace (empty if cluster-scoped) and name."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        namespace = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind}{group} {namespace}{self.name}"


def key(body: Body) -> Key:
    """The key of a body that has apiVersion, kind and metadata.name, as manifest.parse ensures."""
    group, _, _ = str(body["apiVersion"]).rpartition("/")
    metadata = body["metadata"]
    return Key(group, str(body["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"]))
