"""The commands. Each reads its configuration, calls one workflow and prints what came of it."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gitops.app import wiring as assembly
from gitops.app.wiring import ClusterParts, Replica
from gitops.cli import check as checking
from gitops.cli import init as adopting
from gitops.cli import parity as comparing
from gitops.cli import promote as promoting
from gitops.cli import run as running
from gitops.cli import sweep as sweep_command
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile, load
from gitops.core.errors import Rejected
from gitops.core.sync.plan import Configure, Create, Prune, Skipped
from gitops.core.sync.status import Record, SyncStatus
from gitops.desired.desired_state import DesiredState
from gitops.local import commands as local
from gitops.reconcile.reconciler import Reconciler
from gitops.reconcile.teardown import Teardown

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command()(running.run)
app.command()(adopting.init)
app.command()(checking.check)
app.command()(comparing.parity)
app.command()(sweep_command.sweep)
for _verb in (promoting.promote, promoting.approve, promoting.rollback, promoting.hold, promoting.resume):
    app.command()(_verb)
app.add_typer(local.app, name="local", help="A whole installation on this machine, to try things out.")

OverlayName = Annotated[str, typer.Argument(help="An overlay: dev, or prod/print-api")]


@app.command()
def build(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Print exactly what an overlay deploys: the tree that it is locked to, rendered."""
    with _workplace(config) as place:
        sys.stdout.buffer.write(place.desired.build(overlay))


@app.command()
def diff(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Show what the next pass would change in the cluster. Exit code 0 = nothing, 1 = something, 2 = an error."""
    with _workplace(config) as place:
        revision, steps = place.reconciler.preview(overlay)
    shown = [line for step in steps for line in _told(step)]
    print_lines(shown or [f"{overlay}: no difference (revision {revision})"])
    raise typer.Exit(1 if shown else 0)


@app.command()
def status(config: ConfigFile = DEFAULT) -> None:
    """Show sync, health and images of every overlay, as the cluster's ledger has them."""
    found = _reach(config).ledger.read_all()
    table = Table("overlay", "sync", "health", "revision", "since", "message")
    for name, (current, _) in sorted(found.items()):
        ready = current.condition("Ready")
        table.add_row(
            name,
            str(current.sync),
            str(current.health),
            str(current.revisions.applied or "-"),
            f"{ready.since:%Y-%m-%d %H:%M:%S}" if ready else "-",
            ready.message if ready else "",
        )
    Console().print(table if found else "nothing was ever synced from this config repo")


@app.command()
def history(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Show what happened to an overlay, newest first."""
    found = _account(_reach(config), overlay)[1]
    print_lines([_line(record) for record in found])


@app.command()
def reconcile(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Ask the controller to look at an overlay now."""
    _reach(config).parents.request(overlay, CLOCK.now())
    print_lines([f"asked for a pass over {overlay}"])


@app.command()
def down(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Remove from the cluster what an overlay left there after it was removed from git."""
    with _workplace(config) as place:
        outcomes = place.takedown.execute(overlay)
    print_lines([f"{outcome.action} {key} {outcome.message}".rstrip() for key, outcome in sorted(outcomes.items())])


@dataclass(frozen=True, slots=True)
class _Workplace:
    """What a command works with that renders or compares by itself."""

    desired: DesiredState
    reconciler: Reconciler
    takedown: Teardown


@contextmanager
def _workplace(config: Path) -> Iterator[_Workplace]:
    """A clone of its own for this one command, so that a running controller is not disturbed."""
    settings = load(config)
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        repo = assembly.config_repo(settings, Path(scratch) / "clone")
        repo.fetch()
        replica = Replica(settings, CLOCK)
        reached = assembly.reach(replica, assembly.connect(settings))
        renders = assembly.renders(assembly.kustomize(settings, Path(scratch) / "renders"))
        wanted = assembly.wanted(settings, repo, renders, reached)
        desired = wanted.desired
        desired.refresh()
        live = assembly.live(replica, reached)
        try:
            takedown = Teardown(reached.parents, reached.ledger, live.watcher, live.executor, desired.overlays())
            yield _Workplace(desired, assembly.reconciler(replica, reached, wanted, live), takedown)
        finally:
            live.stop()
            repo.close()
            reached.api.close()


def _reach(config: Path) -> ClusterParts:
    settings = load(config)
    return assembly.reach(Replica(settings, CLOCK), assembly.connect(settings))


def _account(reached: ClusterParts, overlay: str) -> tuple[SyncStatus, tuple[Record, ...]]:
    found = reached.ledger.read(overlay)
    if found is None:
        raise Rejected("NotFound", f"overlay {overlay} was never synced; `lockstep status` lists those that were")
    return found[0], tuple(found[1])


def _told(step: object) -> Iterator[str]:
    """A step that would do something, as lines for people; values of Secrets are masked already."""
    if isinstance(step, Create):
        yield f"+ {step.key}"
    elif isinstance(step, Prune):
        yield f"- {step.key}"
    elif isinstance(step, Configure) and step.changes:
        yield f"~ {step.key}"
        yield from (f"    {change.field}: {change.old} -> {change.new}" for change in step.changes)
    elif isinstance(step, Skipped) and step.blocks:
        yield f"! {step.key}: {step.reason}"


def _line(record: Record) -> str:
    did = ", ".join(f"{count} {action}" for action, count in sorted(record.actions.items()))
    revision = str(record.revision) if record.revision else "-"
    waived = f"let in by a waiver ({'; '.join(record.waived)})" if record.waived else ""
    parts = [f"{record.at:%Y-%m-%d %H:%M:%S}", f"{record.sync}/{record.health}", revision, did, waived, record.message]
    return "  ".join(part for part in parts if part)


def print_lines(lines: list[str]) -> None:
    """Plain lines on standard output: they may be piped."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
