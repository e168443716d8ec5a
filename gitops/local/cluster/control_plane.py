"""Starts and stops a control plane whose whole state lies in one directory: the same directory, the same cluster."""

import fcntl
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import IO, Self

from gitops.core.errors import Rejected, Unavailable
from gitops.local.cluster import components, credentials, prerequisites
from gitops.local.cluster.binaries import LOCALCLUSTER
from gitops.local.cluster.components import Component, ComponentLayout
from gitops.local.cluster.credentials import ClusterCredentials
from gitops.local.supervision import processes, record

STORAGE = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok")
_PATIENCE = 60.0
_PROBE_EVERY = 0.1


class ControlPlane:
    """One control plane. `binaries` as binaries.ensure_all gives them; without controllers it is an API alone, which
    stores objects and validates them but makes nothing happen.

    Start it from the main thread. Its processes die with the process that started them, even by SIGKILL; the data
    stays. Also a context manager.
    """

    def __init__(self, directory: Path, binaries: Mapping[str, Path], *, with_controllers: bool = True) -> None:
        self.directory = directory.absolute()
        self._binaries = binaries
        self._with_controllers = with_controllers
        self._lock: IO[str] | None = None
        self._running: dict[str, tuple[Component, subprocess.Popen[bytes]]] = {}

    @property
    def kubeconfig(self) -> Path:
        """For a user who may do everything. Written by start()."""
        return self.directory / "kubeconfig"

    def start(self) -> None:
        """Returns when the API answers and, with controllers, pods can be scheduled.

        Raises: Rejected(AlreadyRunning) when another process runs this directory's control plane;
        Unavailable(ComponentFailed) naming the component, with the end of its log.
        """
        self._claim()
        try:
            layout = _layout(self.directory)
            keys = credentials.load(self.directory)
            self._launch(components.storage(self._binaries, layout, keys), layout)
            self._await_ready(layout, keys)
            _write_kubeconfigs(layout, keys)
            if self._with_controllers:
                prerequisites.add_nodes(self.kubeconfig)
                self._launch(components.controllers(self._binaries, layout, LOCALCLUSTER / "kwok"), layout)
                prerequisites.await_nodes(self.kubeconfig)
            self._require_alive(layout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every process, the last started first, and returns when they are gone. Harmless when nothing runs."""
        for component, process in reversed(self._running.values()):
            identity = processes.identify(process.pid)
            if identity is not None:
                processes.end(identity, grace=component.grace)
            process.wait()
        self._running.clear()
        if self._lock is not None:
            record.stop(self.directory)
            self._lock.close()
            self._lock = None

    def fallen(self) -> tuple[str, ...]:
        """The components that ended though nobody asked them to."""
        return tuple(name for name, (_, process) in self._running.items() if process.poll() is not None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _claim(self) -> None:
        """One owner at a time; what an owner left behind that died is ended first."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory.chmod(0o700)
        lock = (self.directory / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Rejected(
                "AlreadyRunning",
                f"another process runs the control plane in {self.directory}; stop it with `lockstep local down`",
            ) from None
        self._lock = lock
        record.stop(self.directory)

    def _launch(self, wanted: Iterable[Component], layout: ComponentLayout) -> None:
        for component in wanted:
            process = processes.start(component.argv, directory=self.directory, log=layout.log(component.name))
            self._running[component.name] = (component, process)
            self._write_record()

    def _write_record(self) -> None:
        owner = processes.identify(os.getpid())
        started = {name: processes.identify(process.pid) for name, (_, process) in self._running.items()}
        if owner is not None:
            alive = {name: identity for name, identity in started.items() if identity is not None}
            record.write(self.directory, record.InstallationRecord(owner, alive))

    def _await_ready(self, layout: ComponentLayout, keys: ClusterCredentials) -> None:
        """Asks /readyz until it is well. Between two questions it waits for the API server to end: a crash shows at
        once, not after the whole patience.
        """
        _, api_server = self._running["kube-apiserver"]
        deadline = time.monotonic() + _PATIENCE
        while not _is_ready(layout, keys.tokens[credentials.ADMIN]):
            self._require_alive(layout)
            if time.monotonic() > deadline:
                raise _failure("kube-apiserver", f"was not ready after {_PATIENCE:.0f} s", layout)
            with suppress(subprocess.TimeoutExpired):
                api_server.wait(_PROBE_EVERY)

    def _require_alive(self, layout: ComponentLayout) -> None:
        for name in self.fallen():
            _, process = self._running[name]
            raise _failure(name, f"ended with exit code {process.returncode}", layout)


def _is_ready(layout: ComponentLayout, token: str) -> bool:
    """False as long as anything is missing: the certificate, the listener, a part of the API server."""
    try:
        trust = ssl.create_default_context(cafile=layout.serving_certificate)
        connection = HTTPSConnection("127.0.0.1", layout.port, timeout=5, context=trust)
        try:
            connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {token}"})
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, HTTPException):
        return False


def _failure(name: str, what: str, layout: ComponentLayout) -> Unavailable:
    log = layout.log(name)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
    return Unavailable("ComponentFailed", f"{name} {what}. The end of {log}:\n{tail}")


def _write_kubeconfigs(layout: ComponentLayout, keys: ClusterCredentials) -> None:
    users = {
        layout.kubeconfig: credentials.ADMIN,
        layout.own_kubeconfig("kube-controller-manager"): credentials.CONTROLLER_MANAGER,
        layout.own_kubeconfig("kube-scheduler"): credentials.SCHEDULER,
        layout.own_kubeconfig("kwok"): credentials.KWOK,
    }
    for target, user in users.items():
        credentials.write_kubeconfig(
            target, server=layout.server, certificate=layout.serving_certificate, token=keys.tokens[user]
        )


def _layout(directory: Path) -> ComponentLayout:
    """The port of the last start if it is still free, so that a kubeconfig that was copied elsewhere stays good."""
    kept = directory / "port.json"
    port = json.loads(kept.read_text()) if kept.exists() else 0
    port = port if port and _is_free(port) else _free_port()
    kept.write_text(json.dumps(port))
    return ComponentLayout(directory, port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
