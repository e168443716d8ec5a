"""Starts and stops a control plane. Its whole state is in one directory: the same directory gives the same cluster."""

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
from gitops.local.supervision import process_record, processes

STORAGE = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok")
_READY_SECONDS = 60.0
_PROBE_EVERY = 0.1


class ControlPlane:
    """One control plane, also as a context manager. `binaries` are those of binaries.ensure_all. Without controllers it
    is only an API server, which validates and stores objects.

    Start it from the main thread. Its processes are killed when the process that started them ends, even by SIGKILL;
    the data stays.
    """

    def __init__(self, directory: Path, binaries: Mapping[str, Path], *, with_controllers: bool = True) -> None:
        self.directory = directory.absolute()
        self._binaries = binaries
        self._with_controllers = with_controllers
        self._lock: IO[str] | None = None
        self._running: dict[str, tuple[Component, subprocess.Popen[bytes]]] = {}

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of a cluster admin. start() writes it."""
        return self.directory / "kubeconfig"

    def start(self) -> None:
        """Returns when the API server is ready and, with controllers, pods can be scheduled.

        Raises: Rejected(AlreadyRunning) if another process runs this directory's control plane;
        Unavailable(ComponentFailed) naming the component, with the end of its log.
        """
        self._claim()
        try:
            layout = _prepare_layout(self.directory)
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
        """Ends all processes, last started first, and returns when they have ended. Does nothing if none runs."""
        for component, process in reversed(self._running.values()):
            identity = processes.identify(process.pid)
            if identity is not None:
                processes.end(identity, grace=component.grace)
            process.wait()
        self._running.clear()
        if self._lock is not None:
            process_record.stop(self.directory)
            self._lock.close()
            self._lock = None

    def crashed(self) -> tuple[str, ...]:
        """The components that ended although stop() was not called."""
        return tuple(name for name, (_, process) in self._running.items() if process.poll() is not None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _claim(self) -> None:
        """Locks the directory, so that it has one owner, and ends processes that a dead owner left."""
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
        process_record.stop(self.directory)

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
            process_record.write(self.directory, process_record.ProcessRecord(owner, alive))

    def _await_ready(self, layout: ComponentLayout, keys: ClusterCredentials) -> None:
        """Probes /readyz until the API server is ready. Between probes it waits for the API server to end, so a crash
        is reported at once and not after the time limit.
        """
        _, api_server = self._running["kube-apiserver"]
        deadline = time.monotonic() + _READY_SECONDS
        while not _is_ready(layout, keys.tokens[credentials.ADMIN]):
            self._require_alive(layout)
            if time.monotonic() > deadline:
                raise _failure("kube-apiserver", f"was not ready after {_READY_SECONDS:.0f} s", layout)
            with suppress(subprocess.TimeoutExpired):
                api_server.wait(_PROBE_EVERY)

    def _require_alive(self, layout: ComponentLayout) -> None:
        for name in self.crashed():
            _, process = self._running[name]
            raise _failure(name, f"ended with exit code {process.returncode}", layout)


def _is_ready(layout: ComponentLayout, token: str) -> bool:
    """False until the certificate exists, the port listens and /readyz is 200."""
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


def _prepare_layout(directory: Path) -> ComponentLayout:
    """Takes the port of the last start if it is still free, so that copies of the kubeconfig stay valid."""
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
