"""The world of the shapes: a control plane, the config repo of a fleet and one controller, on loopback and in one
directory that is deleted at the end.
"""

import json
import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from benchmarks.api import Api, NotSeen
from benchmarks.fleet import NAMESPACE, Fleet
from gitops.local import announce, site
from gitops.local.cluster.credentials import write_private
from gitops.local.supervision import processes
from gitops.local.supervision.processes import ProcessIdentity

_GRACE = 12.0
_ASK_EVERY = 0.02
_LATE = 2.5
_FEW_THREADS = 64
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the controller and its children: resident, proportional and private."""

    resident: int
    proportional: int
    unique: int


@dataclass(frozen=True, slots=True)
class World:
    """`directory` holds everything. `api` is the benchmark's own client of the API server."""

    directory: Path
    kubeconfig: Path
    kustomize: Path
    api: Api
    fleet: Fleet
    ports: Mapping[str, int]

    @property
    def config(self) -> Path:
        return self.directory / "lockstep.yaml"

    @property
    def log(self) -> Path:
        return self.directory / "controller.log"

    def secret(self, sender: str) -> Path:
        return self.directory / f"secret-{sender}"

    def hook(self, sender: str) -> str:
        return f"http://127.0.0.1:{self.ports['webhooks']}/hooks/{sender}"

    def write_config(self, kubeconfig: Path, *, state: str = "state") -> None:
        """Writes the lockstep.yaml for the next start of the controller."""
        wanted = {
            "name": "fleet",
            "repo": {"url": str(self.fleet.remote), "trunk": "main"},
            "state": str(self.directory / state),
            "cluster": {"kubeconfig": str(kubeconfig)},
            "kustomize": str(self.kustomize),
            "senders": {
                name: {"kind": kind, "secrets": [{"file": str(self.secret(name))}]}
                for name, kind in ((site.HARBOR, "harbor"), (site.CONFIG_REPO, "github"))
            },
            "listen": {name: f"127.0.0.1:{port}" for name, port in self.ports.items()},
            "log": {"format": "json"},
        }
        write_private(self.config, json.dumps(wanted, indent=2))  # JSON is YAML


def make(directory: Path, kubeconfig: Path, kustomize: Path) -> World:
    """Makes everything but the cluster: the empty config repo, the secrets, the namespace, the configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(directory / "config.git", directory / "checkout")
    fleet.create()
    world = World(directory, kubeconfig, kustomize, Api(kubeconfig), fleet, _ports())
    for sender in (site.HARBOR, site.CONFIG_REPO):
        write_private(world.secret(sender), secrets.token_urlsafe(32))
    add_namespace(world.api, NAMESPACE)
    world.write_config(kubeconfig)
    return world


def add_namespace(api: Api, name: str) -> None:
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


class Controller:
    """`lockstep run` in its own process, as in production."""

    def __init__(self, world: World, identity: ProcessIdentity, started: float) -> None:
        self._world = world
        self._identity = identity
        self._pool = PoolManager(timeout=10.0, retries=False)
        self.started = started

    def await_ready(self) -> float:
        """Waits until /readyz is 200; returns the monotonic time. Raises: NotSeen with the end of the log."""
        return self._await(self._is_ready, "ready")

    def await_answering(self) -> float:
        """Waits until the page answers; returns the monotonic time. Raises: NotSeen."""
        return self._await(lambda: self._fetch("page", "/healthz") is not None, "alive")

    def await_settled(self, overlays: int) -> float:
        """Waits until the page shows exactly this number of overlays, all Synced; returns the monotonic time. Raises:
        NotSeen.
        """
        return self._await(lambda: self._count_settled() == (overlays, overlays), f"{overlays} overlays Synced")

    def passes(self) -> int:
        """The number of successful passes."""
        answer = self._fetch("metrics", "/metrics?name[]=lockstep_reconcile_seconds_count") or b""
        found = re.findall(rb'^lockstep_reconcile_seconds_count\{.*outcome="ok".*\} ([0-9.]+)$', answer, re.MULTILINE)
        return sum(int(float(each)) for each in found)

    def await_passes(self, count: int) -> float:
        """Waits until this number of passes has ended; returns the monotonic time. Raises: NotSeen."""
        return self._await(lambda: self.passes() >= count, f"{count} passes")

    def await_quiet(self, seconds: float = 0.2) -> None:
        """Waits until no pass has ended for `seconds`. Raises: NotSeen."""
        last = (time.monotonic(), self.passes())

        def is_quiet() -> bool:
            nonlocal last
            now, passes = time.monotonic(), self.passes()
            last = last if passes == last[1] else (now, passes)
            return now - last[0] >= seconds

        self._await(is_quiet, "quiet")

    def await_rest(self) -> None:
        """Waits until delayed writes are done, too."""
        self.await_quiet(_LATE)

    def await_few_threads(self) -> None:
        """Waits until the additional threads of a burst have ended. Raises: NotSeen."""
        self._await(lambda: self.threads() < _FEW_THREADS, f"with less than {_FEW_THREADS} threads")

    def announce_push(self, before: str, after: str) -> None:
        """Sends the webhook of a git host after a push. Raises: NotSeen if it is not accepted."""
        line = f"{before} {after} refs/heads/main"
        secret = self._world.secret(site.CONFIG_REPO).read_bytes()
        body, headers = announce.delivery(line, str(self._world.fleet.remote), secret)
        answer = self._pool.request("POST", self._world.hook(site.CONFIG_REPO), body=body, headers=headers)
        if answer.status != 200:
            raise NotSeen(f"the push was answered {answer.status}: {answer.data[:200]!r}")

    def cpu_seconds(self) -> float:
        """The CPU seconds of all its threads and of its children that have ended."""
        fields = Path(f"/proc/{self._identity.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> Memory:
        """The memory of the process and its long-lived children (git's readers)."""
        sums = [_memory(pid) for pid in _family(self._identity.pid)]
        return Memory(*(sum(parts) for parts in zip(*sums, strict=True)))

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self._identity.pid}/task").iterdir()))

    def stop(self) -> None:
        processes.end(self._identity, grace=_GRACE)

    def _is_ready(self) -> bool:
        return self._fetch("page", "/readyz") is not None

    def _count_settled(self) -> tuple[int, int]:
        status = self._fetch("page", "/api/v1/status")
        cards = json.loads(status)["status"]["cards"] if status else []
        return len(cards), sum(card["sync"] == "Synced" for card in cards)

    def _fetch(self, listener: str, path: str) -> bytes | None:
        try:
            answer = self._pool.request("GET", f"http://127.0.0.1:{self._world.ports[listener]}{path}")
        except HTTPError:
            return None
        return answer.data if answer.status == 200 else None

    def _await(self, is_so: Callable[[], bool], what: str) -> float:
        deadline = time.monotonic() + _PATIENCE
        while not is_so():
            if processes.wait_ended(self._identity, within=_ASK_EVERY) or time.monotonic() > deadline:
                tail = "\n".join(self._world.log.read_text(errors="replace").splitlines()[-10:])
                raise NotSeen(f"the controller was not seen {what}. The end of its log:\n{tail}")
        return time.monotonic()


@contextmanager
def controller(world: World) -> Iterator[Controller]:
    """Starts a controller, from the main thread only, and stops it at the end."""
    world.log.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "gitops", "run", "--config", str(world.config)]
    started = time.monotonic()
    process = processes.start(argv, directory=world.directory, log=world.log)
    identity = processes.identify(process.pid)
    if identity is None:
        raise NotSeen(f"the controller ended at once:\n{world.log.read_text()}")
    running = Controller(world, identity, started)
    try:
        yield running
    finally:
        running.stop()
        process.wait()


def _family(pid: int) -> Iterator[int]:
    """The process and its descendants."""
    parents = {int(each.name): _parent(each) for each in Path("/proc").iterdir() if each.name.isdigit()}
    found = {pid}
    while below := {child for child, parent in parents.items() if parent in found} - found:
        found |= below
    yield from sorted(found)


def _parent(process: Path) -> int:
    """0 if the process has just ended."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _memory(pid: int) -> tuple[int, int, int]:
    """Zeros if the process has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0, 0
    sizes = {key: int(value) * 1024 for key, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return sizes["Rss"], sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def _ports() -> Mapping[str, int]:
    """Free ports, held at the same time so that no two are equal."""
    with ExitStack() as held:
        taken = {name: held.enter_context(socket.socket()) for name in ("webhooks", "page", "metrics")}
        for probe in taken.values():
            probe.bind(("127.0.0.1", 0))
        return {name: int(probe.getsockname()[1]) for name, probe in taken.items()}
