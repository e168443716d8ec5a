"""A config repo with many small services: each is one overlay of a Deployment with 0 replicas, a Service, an Ingress
and a ServiceAccount, so that the controller's work is measured and not that of pods.
"""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gitops.core.images.reference import Image
from gitops.local import harbor_webhook

ENVIRONMENT = "dev"
NAMESPACE = "fleet"
REGISTRY = "harbor.fleet.invalid"
TRUNK = "main"
KINDS = ("Deployment", "Service", "Ingress", "ServiceAccount")


def names(count: int) -> Sequence[str]:
    return [f"s{number:03d}" for number in range(count)]


def image(service: str, build: int) -> Image:
    return harbor_webhook.image(f"{REGISTRY}/fleet/{service}", f"build-{build}")


def objects(service: str, namespace: str, build: int = 1) -> Sequence[Mapping[str, Any]]:
    """The four objects of a service, as a floor applies them directly."""
    labels = {"app": service}
    metadata = {"name": service, "namespace": namespace, "labels": labels}
    container = {
        "name": "app",
        "image": str(image(service, build)),
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": "SPRING_PROFILES_ACTIVE", "value": "dev"}],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
    }
    pod = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": service, "containers": [container]}}
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {
        "host": f"{service}.fleet.invalid",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 0, "revisionHistoryLimit": 3, "selector": {"matchLabels": labels}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": labels,
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            },
        },
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": [rule]}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
    ]


def runs(wanted: Image) -> Callable[[Mapping[str, Any]], bool]:
    """Returns a predicate: True if a Deployment has the image."""
    return lambda body: bool(body["spec"]["template"]["spec"]["containers"][0]["image"] == str(wanted))


@dataclass(frozen=True, slots=True)
class Fleet:
    """A bare repository at `remote` and a checkout of it at `checkout`."""

    remote: Path
    checkout: Path

    def create(self) -> None:
        """Makes both, with a pipeline.yaml without services."""
        _git(self.remote.parent, "init", "--quiet", "--bare", f"--initial-branch={TRUNK}", str(self.remote))
        _git(self.remote.parent, "clone", "--quiet", str(self.remote), str(self.checkout))
        _git(self.checkout, "checkout", "--quiet", "-B", TRUNK)
        self._write("environments/pipeline.yaml", _pipeline([]))
        self.push("An empty fleet")

    def write(self, services: Sequence[str]) -> None:
        """Writes all services, in the checkout only."""
        self._write("environments/pipeline.yaml", _pipeline(services))
        for service in services:
            parts = objects(service, NAMESPACE)
            for body in parts:
                self._write(f"base/{service}/{body['kind'].lower()}.yaml", _without_namespace(body))
            base = {"resources": [f"{body['kind'].lower()}.yaml" for body in parts]}
            self._write(f"base/{service}/kustomization.yaml", base)
            self.release(service, 1)

    def release(self, service: str, build: int) -> None:
        """Sets the image of a service, in the checkout only."""
        wanted = image(service, build)
        overlay = {
            "namespace": NAMESPACE,
            "resources": [f"../../../base/{service}"],
            "images": [{"name": wanted.name, "newTag": wanted.tag, "digest": wanted.digest}],
        }
        self._write(f"{self.overlay(service)}/kustomization.yaml", overlay)

    @staticmethod
    def overlay(service: str) -> str:
        return f"environments/{ENVIRONMENT}/{service}"

    def push(self, message: str) -> str:
        """Commits the changes and pushes them; returns the new head."""
        self.commit(message)
        return self.send()

    def commit(self, message: str) -> None:
        _git(self.checkout, "add", "--all")
        _git(self.checkout, "commit", "--quiet", "--message", message)

    def send(self, branch: str = TRUNK) -> str:
        """Pushes the commits; returns the new head."""
        _git(self.checkout, "push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.head()

    def head(self) -> str:
        return _git(self.checkout, "rev-parse", "HEAD").strip()

    def catch_up(self) -> None:
        """Pulls the controller's commits."""
        _git(self.checkout, "fetch", "--quiet", "origin")
        _git(self.checkout, "reset", "--quiet", "--hard", f"origin/{TRUNK}")

    def slow_pushes_down(self, seconds: float) -> None:
        """Makes the remote take `seconds` longer for each push from now on."""
        hook = self.remote / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\nsleep {seconds}\n")
        hook.chmod(0o755)

    def commits(self) -> int:
        return int(_git(self.remote, "rev-list", "--count", TRUNK))

    def builds(self, services: Sequence[str]) -> Mapping[str, int]:
        """The build of each service on the trunk."""
        found = {}
        for service in services:
            text = _git(self.remote, "show", f"{TRUNK}:{self.overlay(service)}/kustomization.yaml")
            found[service] = int(yaml.safe_load(text)["images"][0]["newTag"].removeprefix("build-"))
        return found

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        file = self.checkout / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content, sort_keys=False))


def _pipeline(services: Sequence[str]) -> Mapping[str, Any]:
    policy = {"pattern": r"^build-(\d+)$", "order": "numeric"}
    return {
        "registries": [{"host": REGISTRY}],
        "services": {name: {"image": f"{REGISTRY}/fleet/{name}", "tags": policy} for name in services},
        "environments": {ENVIRONMENT: {"namespace": NAMESPACE, "images": "newest"}},
    }


def _without_namespace(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = {key: value for key, value in body["metadata"].items() if key != "namespace"}
    copy: Mapping[str, Any] = yaml.safe_load(yaml.safe_dump({**body, "metadata": metadata}))  # no anchors
    return copy


def _git(directory: Path, *arguments: str) -> str:
    """Raises: CalledProcessError."""
    environment = {
        "PATH": os.defpath + ":/usr/local/bin",
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A Person",
        "GIT_AUTHOR_EMAIL": "person@fleet.invalid",
        "GIT_COMMITTER_NAME": "A Person",
        "GIT_COMMITTER_EMAIL": "person@fleet.invalid",
    }
    argv = ["git", "-c", "gc.auto=0", *arguments]
    return subprocess.run(argv, cwd=directory, env=environment, check=True, capture_output=True, text=True).stdout
