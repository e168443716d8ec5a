"""Shared by tests of the Kubernetes adapters: manifests, a recorder of callbacks, and a connection that can be cut."""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import pytest
from kubernetes import client

from gitops.adapters.kubernetes.api import KubernetesApi
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.discovery import Discovery
from gitops.adapters.kubernetes.kubeconfig import ClusterAccess
from gitops.core import objects
from gitops.core.errors import GitopsError
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import PART_OF_LABEL
from tests.worlds.control_plane import SharedControlPlane

MANAGER = "lockstep-test"
PART_OF = "applyset-test-v1"
Heard = TypeVar("Heard")


@dataclass(frozen=True, slots=True)
class KubernetesWorld:
    """The adapters over one API server, and the official typed client for writes of other people and controllers."""

    api: KubernetesApi
    discovery: Discovery
    cluster: KubernetesCluster
    console: client.ApiClient

    @classmethod
    def of(cls, kubeconfig: Path, console: client.ApiClient) -> Self:
        api = KubernetesApi(ClusterAccess(kubeconfig))
        discovery = Discovery(api)
        return cls(api, discovery, KubernetesCluster(discovery, manager=MANAGER), console)

    def edit(self, name: str, namespace: str, data: Mapping[str, str | None]) -> None:
        """Edit a ConfigMap as a person would in a console."""
        client.CoreV1Api(self.console).patch_namespaced_config_map(
            name, namespace, {"data": dict(data)}, field_manager="console"
        )


@pytest.fixture(scope="session")
def kubernetes_world(control_plane: SharedControlPlane) -> Iterator[KubernetesWorld]:
    """One world for all tests of a session. Each test has namespaces of its own."""
    world = KubernetesWorld.of(control_plane.kubeconfig, control_plane.api)
    yield world
    world.api.close()


class Ear(Generic[Heard]):
    """A callback that records its calls in order."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Heard] = queue.Queue()

    def __call__(self, *arguments: Any) -> None:
        self._calls.put(arguments[0] if len(arguments) == 1 else arguments)

    def object_changed(self, part_of: str, key: Key) -> None:
        """Implements ports.LiveListener."""
        self(part_of, key)

    def pass_requested(self, overlay: str) -> None:
        """Implements PassRequestListener."""
        self(overlay)

    def next(self, seconds: float = 20.0) -> Heard:
        """Return the next call. Raises queue.Empty."""
        return self._calls.get(timeout=seconds)

    def until(self, wanted: Heard, seconds: float = 20.0) -> list[Heard]:
        """Return all calls up to and including `wanted`."""
        heard: list[Heard] = []
        while not heard or heard[-1] != wanted:
            heard.append(self.next(seconds))
        return heard


def eventually(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Poll until `is_so` is true, for states that no callback reports."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def refusal(attempt: Callable[[], object], seconds: float = 20.0) -> GitopsError:
    """Repeat `attempt` until it fails, and return its error: a server takes a moment to apply a change."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            attempt()
        except GitopsError as error:
            return error
        threading.Event().wait(0.02)
    raise AssertionError(f"nothing was refused in {seconds} s")


def manifest(body: Mapping[str, Any]) -> Manifest:
    return Manifest(objects.key(body), body, "hash")


def config_map(name: str, namespace: str, data: Mapping[str, str], part_of: str = PART_OF) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": {PART_OF_LABEL: part_of}}
    return manifest({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)})


def secret(name: str, namespace: str, **content: Any) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return manifest({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **content})


def deployment(name: str, namespace: str, *, replicas: int = 0, part_of: str = PART_OF) -> Manifest:
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example/shop/order:1@sha256:" + "a" * 64}
    return manifest(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "labels": {PART_OF_LABEL: part_of}},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
    )


class Line:
    """A TCP proxy to an API server that can be cut and restored. `port` is its own port on 127.0.0.1."""

    def __init__(self, far_port: int) -> None:
        self._far_port = far_port
        self._whole = threading.Event()
        self._whole.set()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._whole.clear()
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            if not self._whole.is_set():
                return
            with socket.create_connection(("127.0.0.1", self._far_port)) as far:
                with self._lock:
                    self._sockets += [near, far]
                back = threading.Thread(target=_pump, args=(far, near), daemon=True)
                back.start()
                _pump(near, far)
                back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
