"""The processes of a local installation: a control plane, unless a cluster was given, and the controller."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.core.errors import Rejected, Unavailable
from gitops.local.cluster.binaries import CONTROL_PLANE
from gitops.local.cluster.components import ComponentLayout
from gitops.local.cluster.control_plane import ControlPlane
from gitops.local.site import LocalSite
from gitops.local.supervision import processes, record
from gitops.local.supervision.interrupt import Interrupt
from gitops.local.supervision.processes import ProcessIdentity
from gitops.local.supervision.record import InstallationRecord

if TYPE_CHECKING:
    import subprocess

CONTROLLER = "controller"
_GRACE = 12.0


@contextmanager
def claim(site: LocalSite) -> Iterator[None]:
    """One owner of a directory at a time, recorded for others to find.

    Raises: Rejected(AlreadyUp).
    """
    site.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    site.directory.chmod(0o700)
    with (site.directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Rejected(
                "AlreadyUp",
                f"{site.directory} is up already, in another terminal: `lockstep local status` shows it, "
                "`lockstep local down` stops it",
            ) from None
        record.stop(site.directory)  # what an owner left behind that died
        _record(site, {})
        try:
            yield
        finally:
            record.stop(site.directory)


class Installation:
    """Started and stopped from the main thread, by the owner of the site. `given`: the kubeconfig of a cluster to be
    used instead of one of our own.
    """

    def __init__(self, site: LocalSite, given: Path | None) -> None:
        self._site = site
        self._given = given
        self._plane: ControlPlane | None = None
        self._controller: subprocess.Popen[bytes] | None = None

    @property
    def programs(self) -> tuple[str, ...]:
        """What has to be there before anything is started."""
        return ("kustomize",) if self._given else CONTROL_PLANE

    @property
    def kubeconfig(self) -> Path:
        return self._given or self._site.control_plane / "kubeconfig"

    @property
    def controller(self) -> ProcessIdentity:
        """Raises: Unavailable(ComponentFailed) with the end of its log when it does not run."""
        found = processes.identify(self._controller.pid) if self._controller else None
        if found is None:
            raise self.failure(CONTROLLER)
        return found

    def start_cluster(self, programs: Mapping[str, Path]) -> None:
        """Returns when pods can be scheduled. Raises as ControlPlane.start."""
        plane = ControlPlane(self._site.control_plane, programs)
        self._plane = plane
        plane.start()

    def start_controller(self) -> None:
        """Starts it with the site's lockstep.yaml; its log begins anew. Raises as `controller`."""
        self._site.log.unlink(missing_ok=True)
        self._site.log.touch(mode=0o600)
        argv = [sys.executable, "-m", "gitops", "run", "--config", str(self._site.config)]
        self._controller = processes.start(argv, directory=self._site.directory, log=self._site.log)
        _record(self._site, {CONTROLLER: self.controller})

    def await_fall(self, interrupt: Interrupt) -> str | None:
        """Waits until a component ends that nobody asked to, and names it; None when we are interrupted."""
        return processes.first_ended(self._components(), interrupt=interrupt)

    def stops(self) -> Sequence[tuple[str, Callable[[], None]]]:
        """What was started, by name, and how to stop it, in this order."""
        wanted: list[tuple[str, Callable[[], None]]] = []
        if self._controller is not None:
            wanted.append((f"the {CONTROLLER}", self._stop_controller))
        if self._plane is not None:
            wanted.append(("the control plane", self._plane.stop))
        return wanted

    def _stop_controller(self) -> None:
        if self._controller is not None:
            identity = processes.identify(self._controller.pid)
            if identity is not None:
                processes.end(identity, grace=_GRACE)
            self._controller.wait()
            self._controller = None

    def kill(self) -> None:
        """Ends what still runs without giving it time."""
        for identity in self._components().values():
            processes.end(identity, grace=0.0)

    def failure(self, component: str, what: str = "has ended") -> Unavailable:
        """What to say when a component is of no use: the end of its log."""
        log = self._site.log if component == CONTROLLER else ComponentLayout(self._site.control_plane, 0).log(component)
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else ["(no log)"]
        return Unavailable("ComponentFailed", "\n".join([f"{component} {what}. The end of {log}:", *lines]))

    def _components(self) -> dict[str, ProcessIdentity]:
        found: dict[str, ProcessIdentity] = {}
        for directory in (self._site.control_plane if self._plane else None, self._site.directory):
            recorded = record.read(directory) if directory else None
            found |= recorded.components if recorded else {}
        return found


def _record(site: LocalSite, components: Mapping[str, ProcessIdentity]) -> None:
    owner = processes.identify(os.getpid())
    if owner is not None:
        record.write(site.directory, InstallationRecord(owner, components))
