"""`python -m benchmarks [SHAPE...]`: runs the shapes one after the other and prints one table. It exits 0 if it could
measure; a figure over its budget is reported and does not change the exit code.
"""

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import figures, shapes, world
from benchmarks.figures import Report
from benchmarks.shapes import DEFAULT, OFFLINE, Wish
from gitops.local.cluster import binaries
from gitops.local.cluster.control_plane import ControlPlane

_LISTED = "\n\n".join(f"{name}: {what}" for name, what in {**DEFAULT, **OFFLINE}.items())
_RESULTS = Path("build/bench.json")

console = Console(stderr=True)


def main(
    wanted: Annotated[list[str] | None, typer.Argument(metavar="[SHAPE...]", help=_LISTED, show_default=False)] = None,
    overlays: Annotated[int, typer.Option(help="The number of overlays in the fleet.")] = 100,
    results: Annotated[Path, typer.Option("--json", help="The file for the figures.")] = _RESULTS,
) -> None:
    """Measure the controller against its budgets, on a temporary control plane of its own."""
    chosen = frozenset(wanted or (*DEFAULT, *OFFLINE))
    unknown = sorted(chosen - {*DEFAULT, *OFFLINE})
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join((*DEFAULT, *OFFLINE))}")
    report = Report(_about(overlays))
    try:
        _measure(Wish(chosen, overlays, _tell(time.monotonic())), report)
    finally:
        report.write(results)
        figures.print_report(report, Console(width=max(console.width, 150)))
    console.print(f"written to {results}")


def _measure(wish: Wish, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as scratch:
        for figure in shapes.measure_offline(Path(scratch), binaries.ensure("kustomize"), wish):
            report.figures.append(figure)
        if not wish.shapes - set(OFFLINE):
            return
        programs = binaries.ensure_all()
        wish.tell("starting a control plane")
        with ControlPlane(Path(scratch) / "control-plane", programs) as plane:
            where = world.make(Path(scratch) / "site", plane.kubeconfig, programs["kustomize"])
            for figure in shapes.measure(where, wish):
                report.figures.append(figure)


def _tell(began: float) -> shapes.Tell:
    return lambda what: console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {what}")


def _about(overlays: int) -> dict[str, str]:
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "overlays": str(overlays),
        "cores": str(os.cpu_count()),
        "load before (1, 5, 15 min)": load,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    typer.run(main)
