"""Identity of Kubernetes objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Body = Mapping[str, Any]
"""A Kubernetes object as parsed JSON or YAML, looked into only by the modules of core."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Group, kind, namespace (empty for cluster-scoped objects) and name: what makes two objects the same one."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        namespace = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind}{group} {namespace}{self.name}"


def key(body: Body) -> Key:
    """The key of a body that has apiVersion, kind and metadata.name (manifests.parse makes sure of that)."""
    group, _, _ = str(body["apiVersion"]).rpartition("/")
    metadata = body["metadata"]
    return Key(group, str(body["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"]))
