"""`lockstep local ...`: a whole installation on this machine."""

import os
import signal
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gitops.core.errors import Rejected, Unavailable
from gitops.local import image_push, progress, walkthrough
from gitops.local.image_push import PushWatch
from gitops.local.installation import CONTROLLER
from gitops.local.page_client import PageClient
from gitops.local.site import LocalSite
from gitops.local.supervision import processes, record
from gitops.local.supervision.processes import ProcessIdentity
from gitops.local.up import StartPlan
from gitops.local.up import up as start

app = typer.Typer(no_args_is_help=True)

Directory = Annotated[Path, typer.Option("--directory", "-d", help="Where everything is kept", show_default=True)]
Source = Annotated[Path, typer.Option(help="A checkout with base/ and environments/")]
Kubeconfig = Annotated[Path | None, typer.Option(envvar="KUBECONFIG", help="A cluster to use instead of our own")]
_DEFAULT = Path(".lockstep")
_STOP_SECONDS = 40.0


@app.command()
def up(directory: Directory = _DEFAULT, source: Source = Path(), kubeconfig: Kubeconfig = None) -> None:
    """Start a control plane and the controller, show one release from Harbor to Healthy, serve until Ctrl-C."""
    start(StartPlan(source.absolute(), directory, kubeconfig), Console(), now=_now)


@app.command()
def down(directory: Directory = _DEFAULT) -> None:
    """Stop what `lockstep local up` runs, from another terminal. Its data stays."""
    stop(LocalSite(directory.absolute()), Console())


@app.command()
def status(directory: Directory = _DEFAULT) -> None:
    """Show what runs, where, and how the overlays are. Exit code 1 when the controller does not run."""
    raise typer.Exit(0 if show_status(LocalSite(directory.absolute()), Console()) else 1)


@app.command()
def push(service: str, tag: str, directory: Directory = _DEFAULT) -> None:
    """Play Harbor: announce a new image of a service and follow it until it is Healthy. Nothing is really pushed."""
    announce(LocalSite(directory.absolute()), Console(), (service, tag), _now())


def stop(site: LocalSite, console: Console) -> None:
    """Asks the owner of the site to stop and waits for it; then ends what an owner that died has left behind.

    Raises: Unavailable(StillRunning) when the owner does not end.
    """
    owner = record.owner(site.directory)
    if owner is not None:
        with progress.step(console, f"stopping what process {owner.pid} has started"):
            _end(owner)
    left = [*record.stop(site.directory), *record.stop(site.control_plane)]
    if left:
        walkthrough.tell(console, [f"ended what an earlier run had left: {', '.join(left)}"])
    elif owner is None:
        walkthrough.tell(console, [f"nothing of {site.directory} was running"])


def show_status(site: LocalSite, console: Console) -> bool:
    """Processes, addresses and overlays; whether the controller runs."""
    running = _running(site)
    if CONTROLLER not in running:
        names = f"; left over: {', '.join(running)}" if running else ""
        walkthrough.tell(
            console,
            [f"no controller runs in {site.directory}{names}. Start it: {walkthrough.command(site.directory, 'up')}"],
        )
        return False
    walkthrough.tell(console, [f"{name:<24} pid {identity.pid}" for name, identity in running.items()])
    walkthrough.tell(console, ["", *(f"{name:<24} {site.url(name)}/" for name in site.ports())])
    walkthrough.tell(console, [f"{'kubeconfig':<24} {site.kubeconfig()}", ""])
    with closing(PageClient(site, running[CONTROLLER])) as page:
        report = page.report()
    walkthrough.show_overlays(console, report.overlays)
    walkthrough.tell(console, report.troubles)
    return True


def announce(site: LocalSite, console: Console, what: tuple[str, str], at: datetime) -> None:
    """`what`: service and tag.

    Raises: Rejected(NotUp, UnknownService, InvalidImage); as image_push.follow.
    """
    controller = _running(site).get(CONTROLLER)
    if controller is None:
        raise Rejected(
            "NotUp", f"no controller runs in {site.directory}; start it: {walkthrough.command(site.directory, 'up')}"
        )
    service, tag = what
    pushed = image_push.image(site, service, tag)
    walkthrough.tell(console, [f"Harbor tells of {pushed.name}:{pushed.tag} (sha256:{pushed.short_digest}):"])
    with closing(PageClient(site, controller)) as page:
        world = PushWatch(site, site.kubeconfig(), page)
        if walkthrough.show_push(console, image_push.follow(world, service, pushed, at)) < 2:
            walkthrough.tell(console, ["nothing changes"])


def _running(site: LocalSite) -> Mapping[str, ProcessIdentity]:
    found = [record.running(directory) for directory in (site.control_plane, site.directory)]
    return {name: identity for each in found if each for name, identity in each.components.items()}


def _end(owner: ProcessIdentity) -> None:
    with suppress(ProcessLookupError):
        os.kill(owner.pid, signal.SIGTERM)
    if not processes.ended(owner, within=_STOP_SECONDS):
        raise Unavailable(
            "StillRunning",
            f"process {owner.pid} did not end within {_STOP_SECONDS:.0f} s; "
            f"`kill -9 {owner.pid}` ends it with all that it started",
        )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a command is where time comes in
