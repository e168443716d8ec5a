"""Figures and their table: the budget, the floor (the cost of the parties alone) and the measured value."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Spread:
    """`samples` of one unit, in the order of measurement."""

    samples: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.samples)

    @property
    def most(self) -> float:
        return max(self.samples)

    def percentile(self, percent: float) -> float:
        """The nearest rank: the smallest sample that is not exceeded by at least `percent` percent of the samples."""
        ordered = sorted(self.samples)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

    def __str__(self) -> str:
        middle, late = self.percentile(50), self.percentile(99)
        return f"min {self.least:.3f}  p50 {middle:.3f}  p99 {late:.3f}  n {len(self.samples)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` must not exceed `budget` (None: no budget, the value is only shown). `floor` is the cost of the parties
    alone for the same work, measured in the same run. `note` has further details.
    """

    shape: str
    what: str
    value: float
    unit: str
    budget: float | None = None
    floor: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.budget is None or self.value <= self.budget


@dataclass(slots=True)
class Report:
    """The figures of all shapes. `about` describes the machine and the run."""

    about: Mapping[str, str]
    figures: list[Figure] = field(default_factory=list)

    def over_budget(self) -> Sequence[Figure]:
        return [figure for figure in self.figures if not figure.is_met]

    def write(self, file: Path) -> None:
        """Writes JSON, for comparisons between runs."""
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"about": dict(self.about), "figures": [asdict(figure) for figure in self.figures]}
        file.write_text(json.dumps(content, indent=2) + "\n")


def print_report(report: Report, console: Console) -> None:
    table = Table("shape", "what", "budget", "floor", "measured", "x floor", "met", "note")
    for figure in report.figures:
        table.add_row(
            figure.shape,
            figure.what,
            _amount(figure.budget, figure.unit),
            _amount(figure.floor, figure.unit),
            _amount(figure.value, figure.unit),
            f"{figure.value / figure.floor:.1f}" if figure.floor else "",
            _verdict(figure),
            figure.note,
        )
    console.print(table)
    console.print(", ".join(f"{name}: {value}" for name, value in report.about.items()))
    for figure in report.over_budget():
        over = _amount(figure.value - (figure.budget or 0.0), figure.unit)
        console.print(f"[red]missed[/] {figure.shape}: {figure.what} is {over} over its budget")


def _verdict(figure: Figure) -> str:
    if figure.budget is None:
        return ""
    return "[green]yes[/]" if figure.is_met else "[red]no[/]"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = {"s": 3, "x": 2}.get(unit, 0)
    return f"{value:,.{digits}f} {unit}".rstrip()
