"""All commands of `lockstep`. Each reads its configuration, calls one workflow and prints the result.

`check`, `parity`, `init` and `run` are also started alone, without the imports of the others (gitops/__main__.py).
"""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gitops.app.wiring import ClusterParts
from gitops.cli import promote as promotions
from gitops.cli.check import check
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile
from gitops.cli.init import init
from gitops.cli.online_workspace import online_workspace, reach
from gitops.cli.parity import parity
from gitops.cli.run import run
from gitops.cli.sweep import sweep
from gitops.cli.typer_app import several
from gitops.core.errors import Rejected
from gitops.core.sync.plan import Configure, Create, Prune, Skipped
from gitops.core.sync.status import Record, SyncStatus
from gitops.local import commands as local

app = several("GitOps for Kubernetes: dev and prod cannot differ except in what was declared.")
for _command in (run, init, check, parity, sweep):
    app.command()(_command)
for _request in (promotions.promote, promotions.approve, promotions.rollback, promotions.hold, promotions.resume):
    app.command()(_request)
app.add_typer(local.app, name="local", help="Run a whole installation on this machine, to try Lockstep.")

OverlayName = Annotated[str, typer.Argument(help="An overlay: dev, or prod/print-api")]


@app.command()
def build(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Print the manifests that an overlay deploys, rendered from the commits that it is locked to."""
    with online_workspace(config) as place:
        sys.stdout.buffer.write(place.desired.build(overlay))


@app.command()
def diff(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Show what the next pass would change in the cluster. Exit code 0 = nothing, 1 = something, 2 = an error."""
    with online_workspace(config) as place:
        revision, steps = place.reconciler().preview(overlay)
    shown = [line for step in steps for line in _describe(step)]
    print_lines(shown or [f"{overlay}: no difference (revision {revision})"])
    raise typer.Exit(1 if shown else 0)


@app.command()
def status(config: ConfigFile = DEFAULT) -> None:
    """Show the sync status, the health and the revision of every overlay, as stored in the cluster."""
    found = reach(config).ledger.read_all()
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
    Console().print(table if found else "nothing was synced from this config repo yet")


@app.command()
def history(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Show the history of an overlay, newest first."""
    found = _account(reach(config), overlay)[1]
    print_lines([_line(record) for record in found])


@app.command()
def reconcile(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Ask the controller for a pass over an overlay now."""
    reach(config).parents.request(overlay, CLOCK.now())
    print_lines([f"asked for a pass over {overlay}"])


@app.command()
def down(overlay: OverlayName, config: ConfigFile = DEFAULT) -> None:
    """Delete the objects of an overlay that was removed from git."""
    with online_workspace(config) as place:
        outcomes = place.teardown().execute(overlay)
    print_lines([f"{outcome.action} {key} {outcome.message}".rstrip() for key, outcome in sorted(outcomes.items())])


def _account(reached: ClusterParts, overlay: str) -> tuple[SyncStatus, tuple[Record, ...]]:
    found = reached.ledger.read(overlay)
    if found is None:
        raise Rejected("NotFound", f"overlay {overlay} was never synced; `lockstep status` lists those that were")
    return found[0], tuple(found[1])


def _describe(step: object) -> Iterator[str]:
    """Lines for people about a step that would do something. Values of Secrets are masked already."""
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
    waived = f"admitted by a waiver ({'; '.join(record.waived)})" if record.waived else ""
    parts = [f"{record.at:%Y-%m-%d %H:%M:%S}", f"{record.sync}/{record.health}", revision, did, waived, record.message]
    return "  ".join(part for part in parts if part)


def print_lines(lines: list[str]) -> None:
    """Without colours and tables, because the output may be piped."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
