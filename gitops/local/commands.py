"""The commands `lockstep local up|down|status|push`: a whole installation on this machine."""

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
from gitops.local import image_push, terminal, walkthrough
from gitops.local.image_push import PushSources
from gitops.local.installation import CONTROLLER
from gitops.local.page_client import PageClient
from gitops.local.site import LocalSite
from gitops.local.supervision import process_record, processes
from gitops.local.supervision.processes import ProcessIdentity
from gitops.local.up import StartOptions
from gitops.local.up import up as start

app = typer.Typer(no_args_is_help=True)

Directory = Annotated[
    Path, typer.Option("--directory", "-d", help="The directory of the installation", show_default=True)
]
Source = Annotated[Path, typer.Option(help="A checkout with base/ and environments/")]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar="KUBECONFIG", help="An existing cluster to use instead of a local one"),
]
_DEFAULT = Path(".lockstep")
_STOP_SECONDS = 40.0


@app.command()
def up(directory: Directory = _DEFAULT, source: Source = Path(), kubeconfig: Kubeconfig = None) -> None:
    """Start a control plane and the controller, show one release from Harbor to Healthy, and serve until Ctrl-C."""
    start(StartOptions(source.absolute(), directory, kubeconfig), Console(), now=_now)


@app.command()
def down(directory: Directory = _DEFAULT) -> None:
    """Stop a running `lockstep local up` from another terminal. Its data stays."""
    stop(LocalSite(directory.absolute()), Console())


@app.command()
def status(directory: Directory = _DEFAULT) -> None:
    """Show processes, addresses and the status of all overlays. Exit code 1 if the controller does not run."""
    raise typer.Exit(0 if show_status(LocalSite(directory.absolute()), Console()) else 1)


@app.command()
def push(service: str, tag: str, directory: Directory = _DEFAULT) -> None:
    """Send Harbor's webhook for a new image of a service and follow it until it is Healthy. No image is pushed."""
    announce(LocalSite(directory.absolute()), Console(), (service, tag), _now())


def stop(site: LocalSite, console: Console) -> None:
    """Stops the owner of the site, then ends processes that a dead owner left.

    Raises: Unavailable(StillRunning) if the owner does not end.
    """
    owner = process_record.owner(site.directory)
    if owner is not None:
        with terminal.step(console, f"stopping process {owner.pid} and its components"):
            _end(owner)
    left = [*process_record.stop(site.directory), *process_record.stop(site.control_plane)]
    if left:
        terminal.print_lines(console, [f"ended processes of an earlier run: {', '.join(left)}"])
    elif owner is None:
        terminal.print_lines(console, [f"nothing was running in {site.directory}"])


def show_status(site: LocalSite, console: Console) -> bool:
    """Prints processes, addresses and overlays. Returns True if the controller runs."""
    running = _running(site)
    if CONTROLLER not in running:
        names = f"; still running: {', '.join(running)}" if running else ""
        start_line = walkthrough.command_line(site.directory, "up")
        terminal.print_lines(console, [f"no controller runs in {site.directory}{names}. Start it: {start_line}"])
        return False
    terminal.print_lines(console, [f"{name:<24} pid {identity.pid}" for name, identity in running.items()])
    terminal.print_lines(console, ["", *(f"{name:<24} {site.url(name)}/" for name in site.ports())])
    terminal.print_lines(console, [f"{'kubeconfig':<24} {site.kubeconfig()}", ""])
    with closing(PageClient(site, running[CONTROLLER])) as page:
        report = page.report()
    walkthrough.show_overlays(console, report.overlays)
    terminal.print_lines(console, report.troubles)
    return True


def announce(site: LocalSite, console: Console, what: tuple[str, str], at: datetime) -> None:
    """Announces an image and follows it. `what` is (service, tag).

    Raises: Rejected(NotUp, UnknownService, InvalidImage); as image_push.follow.
    """
    controller = _running(site).get(CONTROLLER)
    if controller is None:
        raise Rejected(
            "NotUp",
            f"no controller runs in {site.directory}; start it: {walkthrough.command_line(site.directory, 'up')}",
        )
    service, tag = what
    pushed = image_push.image(site, service, tag)
    terminal.print_lines(console, [f"Harbor announces {pushed.name}:{pushed.tag} (sha256:{pushed.short_digest}):"])
    with closing(PageClient(site, controller)) as page:
        sources = PushSources(site, site.kubeconfig(), page)
        if walkthrough.show_push(console, image_push.follow(sources, service, pushed, at)) < 2:
            terminal.print_lines(console, ["nothing was changed"])


def _running(site: LocalSite) -> Mapping[str, ProcessIdentity]:
    found = [process_record.running(directory) for directory in (site.control_plane, site.directory)]
    return {name: identity for each in found if each for name, identity in each.components.items()}


def _end(owner: ProcessIdentity) -> None:
    with suppress(ProcessLookupError):
        os.kill(owner.pid, signal.SIGTERM)
    if not processes.wait_ended(owner, within=_STOP_SECONDS):
        raise Unavailable(
            "StillRunning",
            f"process {owner.pid} did not end within {_STOP_SECONDS:.0f} s; "
            f"`kill -9 {owner.pid}` ends it and everything that it started",
        )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - commands read the clock
