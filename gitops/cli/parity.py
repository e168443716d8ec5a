"""`lockstep parity`: compares two environments of a config repo. Offline."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gitops.cli.workspace import As, Revision, Where, workspace
from gitops.contract.parity import ParityComparer
from gitops.core.contract.parity import DifferenceStatus, EnvironmentPair


def parity(
    a: Annotated[str, typer.Argument(help="An environment, or an overlay")],
    b: Annotated[str, typer.Argument(help="The environment or overlay to compare it with")],
    path: Where = Path(),
    *,
    revision: Revision = "",
    format_: As = "text",
) -> None:
    """Compare two environments. Exit code 0 = they differ only as declared, 1 = in more than that, 2 = an error."""
    with workspace(path) as place:
        comparer = ParityComparer(place.repo, place.renderer, place.memo)
        pairs = comparer.parity(place.repo.head(revision), a, b)
    sys.stdout.write(_pairs_json(pairs) if format_ == "json" else "".join(_pair_text(pair) for pair in pairs))
    raise typer.Exit(0 if all(pair.is_equal for pair in pairs) else 1)


def _pair_text(pair: EnvironmentPair) -> str:
    lines = [f"{pair.a} and {pair.b}: {_parity_summary(pair)}"]
    if pair.trouble:
        lines.append(f"  undeclared  {pair.trouble}")
    for each in pair.findings:
        rule = f"  ({each.rule})" if each.rule else ""
        where = f"{each.key.kind} {each.key.name} {each.field}".rstrip()
        lines.append(f"  {each.status:<10}  {where}: {_show(each.a)} | {_show(each.b)}{rule}")
    if pair.commits:
        lines.append(f"  {pair.b} is {len(pair.commits)} commits of the base behind {pair.a}:")
        lines += [f"    {line}" for line in pair.commits]
    return "\n".join(lines) + "\n"


def _parity_summary(pair: EnvironmentPair) -> str:
    counts = {standing: sum(each.status is standing for each in pair.findings) for standing in DifferenceStatus}
    counts[DifferenceStatus.UNDECLARED] += bool(pair.trouble)
    return ", ".join(f"{count} {standing}" for standing, count in counts.items())


def _show(value: str | None) -> str:
    return "-" if value is None else value


def _pairs_json(pairs: tuple[EnvironmentPair, ...]) -> str:
    content = [
        {
            "a": pair.a,
            "b": pair.b,
            "equal": pair.is_equal,
            "trouble": pair.trouble,
            "commits": list(pair.commits),
            "differences": [
                {
                    "standing": str(each.status),
                    "object": {"group": each.key.group, "kind": each.key.kind, "name": each.key.name},
                    "field": each.field,
                    "a": each.a,
                    "b": each.b,
                    "rule": each.rule,
                }
                for each in pair.findings
            ],
        }
        for pair in pairs
    ]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
