"""`lockstep local up`: starts a whole installation, shows one release, and serves until Ctrl-C."""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.prompt import Confirm

from gitops.core.config_repo import layout
from gitops.core.errors import Rejected
from gitops.local import config_repo, image_push, terminal, walkthrough
from gitops.local.cluster import binaries, prerequisites
from gitops.local.image_push import PushSources
from gitops.local.installation import CONTROLLER, Installation, claim
from gitops.local.page_client import PageClient
from gitops.local.site import CONFIG_REPO, LocalSite
from gitops.local.supervision.interrupt import Interrupt, interruptible

_START_SECONDS = 30.0
_SYNC_SECONDS = 180.0
_OWN_SECONDS_ELSEWHERE = 60.0

WRITTEN = """\
Lockstep will write to the cluster of {kubeconfig}: the namespaces of the example (tuling-dev, tuling-test, tuling-prod)
with their objects, its PriorityClasses, StorageClass and ClusterRoles, and its own records in the namespace
lockstep-system. The images of the example do not exist, so its pods start on simulated nodes only."""


@dataclass(frozen=True, slots=True)
class StartOptions:
    """`source` holds base/ and environments/. `given` is the kubeconfig of an existing cluster to use instead of a
    local one.
    """

    source: Path
    directory: Path
    given: Path | None = None


def up(options: StartOptions, console: Console, *, now: Callable[[], datetime]) -> None:
    """Starts the installation, shows one release, serves until SIGINT or SIGTERM, and stops everything that it started.
    A second signal kills at once. Main thread only.

    Raises: Rejected(AlreadyUp, NoExample, NoKubeconfig); Unavailable(ComponentFailed) with the end of a log; and as
    binaries.ensure_all and ControlPlane.start. After an error, too, everything is stopped.
    """
    site = LocalSite(options.directory.absolute())
    if options.given is not None and not options.given.is_file():
        raise Rejected(
            "NoKubeconfig", f"there is no file {options.given}: correct KUBECONFIG, or unset it for a local cluster"
        )
    with interruptible() as interrupt, claim(site):
        installation = Installation(site, options.given.absolute() if options.given else None)
        try:
            _start(options, site, installation, console)
            interrupt.check()
            _show(options, site, installation, console, now)
            _serve(site, installation, console, interrupt)
        except KeyboardInterrupt:
            terminal.print_lines(console, [""])
        finally:
            _stop(installation, console)


def _start(options: StartOptions, site: LocalSite, installation: Installation, console: Console) -> None:
    programs = binaries.ensure_all(installation.programs, console=console)
    if options.given:
        _prepare_given(options.given, console)
    else:
        with terminal.step(console, "starting the control plane: etcd, API server, controllers, scheduler, kwok"):
            installation.start_cluster(programs)
        with terminal.step(console, "applying its prerequisites: volumes and CRDs of optional kinds"):
            prerequisites.apply(installation.kubeconfig)
    if not site.config_repo.exists():
        with terminal.step(console, "making the config repo from base/ and environments/"):
            config_repo.create(options.source, site.config_repo)
    site.prepare(installation.kubeconfig, programs["kustomize"])
    config_repo.announce_pushes(site.config_repo, site.hook(CONFIG_REPO), site.secret(CONFIG_REPO))
    _start_controller(site, installation, console)


def _prepare_given(kubeconfig: Path, console: Console) -> None:
    terminal.print_lines(console, WRITTEN.format(kubeconfig=kubeconfig).splitlines())
    if console.is_terminal and sys.stdin.isatty() and not Confirm.ask("Continue?", console=console, default=False):
        raise Rejected("NotConfirmed", "nothing was written; `env -u KUBECONFIG make run` uses a local cluster")
    with terminal.step(console, "creating the missing prerequisites of the example"):
        created = prerequisites.apply_missing(kubeconfig)
    terminal.print_lines(console, [f"created: {', '.join(created)}" if created else "nothing was missing"])


def _start_controller(site: LocalSite, installation: Installation, console: Console) -> None:
    with terminal.step(console, "starting the controller"):
        installation.start_controller()
        with closing(PageClient(site, installation.controller)) as page:
            if not page.await_ready(_START_SECONDS):
                raise installation.failure(CONTROLLER, "did not become ready")


def _show(
    options: StartOptions, site: LocalSite, installation: Installation, console: Console, now: Callable[[], datetime]
) -> None:
    overlays = [
        each.name for each in layout.overlays(image_push.read_pipeline(site), config_repo.paths(site.config_repo))
    ]
    terminal.print_lines(console, ["", "The overlays in git are applied to the cluster:"])
    seconds = _OWN_SECONDS_ELSEWHERE if options.given else _SYNC_SECONDS
    began = time.monotonic()
    with closing(PageClient(site, installation.controller)) as page:
        if walkthrough.show_sync(console, page, overlays, seconds=seconds):
            terminal.print_lines(console, [f"all Synced and Healthy: {terminal.duration(time.monotonic() - began)}"])
            walkthrough.show_release(console, PushSources(site, installation.kubeconfig, page), now())
        else:
            terminal.print_lines(
                console, [f"not all Synced and Healthy after {seconds:.0f} s; see the page or the log"]
            )
    walkthrough.show_suggestions(console, site, installation.kubeconfig)


def _serve(site: LocalSite, installation: Installation, console: Console, interrupt: Interrupt) -> None:
    """Waits for a signal. A controller that ends is started again, as a Deployment would.

    Raises: Unavailable(ComponentFailed) if the controller does not become ready, or a part of the control plane ends.
    """
    while (crashed := installation.wait_crashed(interrupt)) is not None:
        if crashed != CONTROLLER:
            raise installation.failure(crashed)
        terminal.print_lines(console, [f"the {CONTROLLER} has ended unexpectedly and is started again"])
        _start_controller(site, installation, console)


def _stop(installation: Installation, console: Console) -> None:
    try:
        for name, stop in installation.stops():
            with terminal.step(console, f"stopping {name}"):
                stop()
    except KeyboardInterrupt:
        installation.kill()
        terminal.print_lines(console, ["killed"])
