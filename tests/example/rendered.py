"""The example as kustomize renders it, and its kustomization files."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import ROOT

Body = Mapping[str, Any]

SERVICES = ("gateway", "order", "design", "print-api", "print-worker", "travel", "gallery", "h5-web")
ENVIRONMENTS = ("dev", "test", "prod")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of one build, in kustomize's order."""

    objects: tuple[Body, ...]

    def of(self, kind: str) -> dict[str, Body]:
        """Return the objects of a kind by name. Namespaces are not distinguished."""
        return {body["metadata"]["name"]: body for body in self.objects if body["kind"] == kind}

    def has(self, kind: str, name: str) -> bool:
        return name in self.of(kind)

    def count(self) -> dict[str, int]:
        kinds = [body["kind"] for body in self.objects]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def build(kustomize: Path, directory: Path) -> Rendered:
    done = subprocess.run(
        [kustomize, "build", directory], capture_output=True, text=True, check=False, env={"PATH": ""}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Rendered(tuple(yaml.safe_load_all(done.stdout)))


def pod_spec(deployment: Body) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def container(deployment: Body) -> dict[str, Any]:
    [only] = pod_spec(deployment)["containers"]
    return dict(only)


def pod_labels(deployment: Body) -> dict[str, str]:
    return dict(deployment["spec"]["template"]["metadata"]["labels"])


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def kustomizations() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every kustomization file of the example with its content."""
    for top in ("base", "environments"):
        for file in sorted((ROOT / top).rglob("kustomization.yaml")):
            yield file, yaml.safe_load(file.read_text())


def scalars(node: yaml.Node, key: str) -> Iterable[yaml.ScalarNode]:
    """Yield the scalar values of `key` at any depth. A node keeps the style of its quotes."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from scalars(item, key)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key and isinstance(value, yaml.ScalarNode):
                yield value
            yield from scalars(value, key)
