"""The processes of a local installation: the controller, and a control plane unless KUBECONFIG names a cluster."""

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
from gitops.local.supervision import process_record, processes
from gitops.local.supervision.interrupt import Interrupt
from gitops.local.supervision.process_record import ProcessRecord
from gitops.local.supervision.processes import ProcessIdentity

if TYPE_CHECKING:
    import subprocess

CONTROLLER = "controller"
_GRACE = 12.0


@contextmanager
def claim(site: LocalSite) -> Iterator[None]:
    """Makes this process the only owner of the directory, and records that for other processes.

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
        process_record.stop(site.directory)  # processes that a dead owner left
        _record(site, {})
        try:
            yield
        finally:
            process_record.stop(site.directory)


class Installation:
    """The owner of the site starts and stops it from the main thread. `given` is the kubeconfig of an existing cluster
    to use instead of a local control plane.
    """

    def __init__(self, site: LocalSite, given: Path | None) -> None:
        self._site = site
        self._given = given
        self._plane: ControlPlane | None = None
        self._controller: subprocess.Popen[bytes] | None = None

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that must exist before the start."""
        return ("kustomize",) if self._given else CONTROL_PLANE

    @property
    def kubeconfig(self) -> Path:
        return self._given or self._site.control_plane / "kubeconfig"

    @property
    def controller(self) -> ProcessIdentity:
        """The running controller. Raises: Unavailable(ComponentFailed) with the end of its log if it does not run."""
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
        """Starts the controller with the site's lockstep.yaml and an empty log. Raises as `controller`."""
        self._site.log.unlink(missing_ok=True)
        self._site.log.touch(mode=0o600)
        argv = [sys.executable, "-m", "gitops", "run", "--config", str(self._site.config)]
        self._controller = processes.start(argv, directory=self._site.directory, log=self._site.log)
        _record(self._site, {CONTROLLER: self.controller})

    def wait_crashed(self, interrupt: Interrupt) -> str | None:
        """Waits until a component ends and returns its name; None if a stop was requested first."""
        return processes.wait_first_ended(self._components(), interrupt=interrupt)

    def stops(self) -> Sequence[tuple[str, Callable[[], None]]]:
        """The names of the started parts and the functions that stop them, in the order of stopping."""
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
        """Kills all components that still run."""
        for identity in self._components().values():
            processes.end(identity, grace=0.0)

    def failure(self, component: str, what: str = "has ended") -> Unavailable:
        """The error for a component that failed, with the end of its log."""
        log = self._site.log if component == CONTROLLER else ComponentLayout(self._site.control_plane, 0).log(component)
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else ["(no log)"]
        return Unavailable("ComponentFailed", "\n".join([f"{component} {what}. The end of {log}:", *lines]))

    def _components(self) -> dict[str, ProcessIdentity]:
        found: dict[str, ProcessIdentity] = {}
        for directory in (self._site.control_plane if self._plane else None, self._site.directory):
            recorded = process_record.read(directory) if directory else None
            found |= recorded.components if recorded else {}
        return found


def _record(site: LocalSite, components: Mapping[str, ProcessIdentity]) -> None:
    owner = processes.identify(os.getpid())
    if owner is not None:
        process_record.write(site.directory, ProcessRecord(owner, components))
