"""`lockstep local up`: from nothing to an installation that is seen at work, until Ctrl-C."""

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
from gitops.local import config_repo, image_push, progress, walkthrough
from gitops.local.cluster import binaries, prerequisites
from gitops.local.image_push import PushWatch
from gitops.local.installation import CONTROLLER, Installation, claim
from gitops.local.page_client import PageClient
from gitops.local.site import CONFIG_REPO, LocalSite
from gitops.local.supervision.interrupt import Interrupt, interruptible

_START_SECONDS = 30.0
_SYNC_SECONDS = 180.0
_OWN_SECONDS_ELSEWHERE = 60.0

WRITTEN = """\
Into the cluster of {kubeconfig} are written: the namespaces of the example (tuling-dev, tuling-test, tuling-prod) with
all that belongs into them, its PriorityClasses, StorageClass and ClusterRoles, and Lockstep's own records in the
namespace lockstep-system. Its images exist nowhere, so that pods only start where nodes are simulated."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """`source` holds base/ and environments/; `given` is the kubeconfig of a cluster to use instead of our own."""

    source: Path
    directory: Path
    given: Path | None = None


def up(plan: StartPlan, console: Console, *, now: Callable[[], datetime]) -> None:
    """Starts what is needed, tells the story, serves until SIGINT or SIGTERM, and stops everything that it started. A
    second signal kills at once. Main thread only.

    Raises: Rejected(AlreadyUp, NoExample, NoKubeconfig); Unavailable(ComponentFailed) with the end of a log; what
    binaries.ensure_all and ControlPlane.start raise. Everything is stopped then, too.
    """
    site = LocalSite(plan.directory.absolute())
    if plan.given is not None and not plan.given.is_file():
        raise Rejected("NoKubeconfig", f"there is no file {plan.given}; unset KUBECONFIG for a cluster of our own")
    with interruptible() as interrupt, claim(site):
        installation = Installation(site, plan.given.absolute() if plan.given else None)
        try:
            _start(plan, site, installation, console)
            interrupt.check()
            _tell(plan, site, installation, console, now)
            _serve(site, installation, console, interrupt)
        except KeyboardInterrupt:
            walkthrough.tell(console, [""])
        finally:
            _stop(installation, console)


def _start(plan: StartPlan, site: LocalSite, installation: Installation, console: Console) -> None:
    programs = binaries.ensure_all(installation.programs, console=console)
    if plan.given:
        _furnish_given(plan.given, console)
    else:
        with progress.step(console, "starting the control plane: etcd, API server, controllers, scheduler, kwok"):
            installation.start_cluster(programs)
        with progress.step(console, "furnishing it: volumes and the optional kinds"):
            prerequisites.apply(installation.kubeconfig)
    if not site.config_repo.exists():
        with progress.step(console, "making the config repo from base/ and environments/"):
            config_repo.create(plan.source, site.config_repo)
    site.prepare(installation.kubeconfig, programs["kustomize"])
    config_repo.announce_pushes(site.config_repo, site.hook(CONFIG_REPO), site.secret(CONFIG_REPO))
    _start_controller(site, installation, console)


def _furnish_given(kubeconfig: Path, console: Console) -> None:
    walkthrough.tell(console, WRITTEN.format(kubeconfig=kubeconfig).splitlines())
    if console.is_terminal and sys.stdin.isatty() and not Confirm.ask("Go on?", console=console, default=False):
        raise Rejected("NotConfirmed", "nothing was written; `env -u KUBECONFIG make run` uses a cluster of its own")
    with progress.step(console, "looking for what the example needs there"):
        created = prerequisites.apply_missing(kubeconfig)
    walkthrough.tell(
        console, [f"created, as it was missing: {', '.join(created)}" if created else "nothing was missing"]
    )


def _start_controller(site: LocalSite, installation: Installation, console: Console) -> None:
    with progress.step(console, "starting the controller"):
        installation.start_controller()
        with closing(PageClient(site, installation.controller)) as page:
            if not page.await_ready(_START_SECONDS):
                raise installation.failure(CONTROLLER, "did not become ready")


def _tell(
    plan: StartPlan, site: LocalSite, installation: Installation, console: Console, now: Callable[[], datetime]
) -> None:
    overlays = [each.name for each in layout.overlays(image_push.declared(site), config_repo.paths(site.config_repo))]
    walkthrough.tell(console, ["", "What git says becomes what runs:"])
    seconds = _OWN_SECONDS_ELSEWHERE if plan.given else _SYNC_SECONDS
    began = time.monotonic()
    with closing(PageClient(site, installation.controller)) as page:
        if walkthrough.show_sync(console, page, overlays, seconds=seconds):
            walkthrough.tell(console, [f"all Synced and Healthy: {progress.duration(time.monotonic() - began)}"])
            walkthrough.show_release(console, PushWatch(site, installation.kubeconfig, page), now())
        else:
            walkthrough.tell(console, [f"not all is well after {seconds:.0f} s; the page or the log says why"])
    walkthrough.show_hints(console, site, installation.kubeconfig)


def _serve(site: LocalSite, installation: Installation, console: Console, interrupt: Interrupt) -> None:
    """Until a signal. A controller that ends is started again, as a cluster would; one that does not become ready, and
    a control plane that lost a part, are given up.

    Raises: Unavailable(ComponentFailed).
    """
    while (fallen := installation.await_fall(interrupt)) is not None:
        if fallen != CONTROLLER:
            raise installation.failure(fallen)
        walkthrough.tell(console, [f"the {CONTROLLER} has ended, though nobody asked it to: it is started again"])
        _start_controller(site, installation, console)


def _stop(installation: Installation, console: Console) -> None:
    try:
        for name, stop in installation.stops():
            with progress.step(console, f"stopping {name}"):
                stop()
    except KeyboardInterrupt:
        installation.kill()
        walkthrough.tell(console, ["killed"])
