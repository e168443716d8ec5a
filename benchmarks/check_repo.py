"""A config repo for `lockstep check`: services of 10 objects each, an overlay for each of them in every environment."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import fleet

ENVIRONMENTS = ("dev", "test", "stage", "prod")
_SETTINGS = 12


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, _data: object) -> bool:
        return True


def write(root: Path, overlays: int) -> Sequence[str]:
    """Makes a git repository with this number of overlays in `root`; returns their paths in it."""
    services = fleet.names(max(1, overlays // len(ENVIRONMENTS)))
    _write(root / "environments/pipeline.yaml", _pipeline(services))
    for service in services:
        for name, content in _base(service).items():
            _write(root / "base" / service / name, content)
    found = [(environment, service) for environment in ENVIRONMENTS for service in services]
    for environment, service in found:
        _write(root / "environments" / environment / service / "kustomization.yaml", _overlay(environment, service))
    for arguments in (("init", "--quiet", f"--initial-branch={fleet.TRUNK}"), ("add", "--all")):
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
    return [f"environments/{environment}/{service}" for environment, service in found]


def _pipeline(services: Sequence[str]) -> Mapping[str, Any]:
    policy = {"pattern": r"^build-(\d+)$", "order": "numeric"}
    before = dict(zip(ENVIRONMENTS[1:], ENVIRONMENTS, strict=False))
    return {
        "registries": [{"host": fleet.REGISTRY}],
        "services": {name: {"image": f"{fleet.REGISTRY}/fleet/{name}", "tags": policy} for name in services},
        "environments": {
            name: {
                "namespace": f"fleet-{name}",
                **({"after": before[name]} if name in before else {"images": "newest"}),
            }
            for name in ENVIRONMENTS
        },
        "variations": [
            {"name": "replicas", "kinds": ["Deployment"], "field": "/spec/replicas", "schema": {"type": "integer"}},
            {
                "name": "memory",
                "kinds": ["Deployment"],
                "field": "/spec/template/spec/containers/app/resources/limits/memory",
                "schema": {"type": "string", "pattern": r"^[1-9]\d*Mi$"},
            },
            {
                "name": "settings",
                "objects": [{"kind": "ConfigMap", "name": "*"}],
                "field": "/data/*",
                "distinct": ["DATABASE"],
            },
        ],
    }


def _base(service: str) -> Mapping[str, Mapping[str, Any]]:
    """The four objects of a fleet's service and six more, one file each. The settings are generated."""
    labels = {"app": service}
    selector = {"matchLabels": labels}
    bodies = [
        *({**body, "metadata": {"name": service, "labels": labels}} for body in fleet.objects(service, "")),
        _body("policy/v1", "PodDisruptionBudget", service, spec={"maxUnavailable": 1, "selector": selector}),
        _body(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            service,
            spec={"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]},
        ),
        _body(
            "rbac.authorization.k8s.io/v1",
            "Role",
            service,
            rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}],
        ),
        _body(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            service,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": service},
            subjects=[{"kind": "ServiceAccount", "name": service}],
        ),
        _body("v1", "ConfigMap", f"{service}-logging", data={"logback.xml": "<configuration/>\n" * 20}),
    ]
    files = {f"{body['kind'].lower()}.yaml": body for body in bodies}
    settings = {"name": f"{service}-settings", "literals": [f"SETTING_{n}=value-{n}" for n in range(_SETTINGS)]}
    kustomization = {"resources": sorted(files), "configMapGenerator": [settings]}
    return {**files, "kustomization.yaml": kustomization}


def _body(api_version: str, kind: str, name: str, **rest: Any) -> Mapping[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def _overlay(environment: str, service: str) -> Mapping[str, Any]:
    rank = ENVIRONMENTS.index(environment) + 1
    wanted = fleet.image(service, 1)
    memory = {
        "op": "replace",
        "path": "/spec/template/spec/containers/0/resources/limits/memory",
        "value": f"{rank}00Mi",
    }
    return {
        "namespace": f"fleet-{environment}",
        "resources": [f"../../../base/{service}"],
        "images": [{"name": wanted.name, "newTag": wanted.tag, "digest": wanted.digest}],
        "replicas": [{"name": service, "count": rank}],
        "configMapGenerator": [
            {"name": f"{service}-settings", "behavior": "merge", "literals": [f"DATABASE={service}-db-{rank}"]}
        ],
        "patches": [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump([memory])}],
    }


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.dump(content, Dumper=_PlainDumper, sort_keys=False))
