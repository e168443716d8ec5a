"""The commands that judge a config repo where it lies, offline: `lockstep check` and `lockstep parity`.

They need git objects and kustomize, no cluster and no configuration, so that they run in a hook and in CI. What was
rendered and compared before is kept in the user's cache directory.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gitops.adapters.kustomize import Kustomize
from gitops.adapters.render_cache import RenderCache
from gitops.adapters.work_tree import WorkTree
from gitops.checker import Checked, Checker, Report, Verdict
from gitops.comparer import Comparer
from gitops.core import pipeline
from gitops.core.contract.annotations import annotation
from gitops.core.contract.violations import Violation
from gitops.core.errors import Place, Rejected
from gitops.core.parity import Pair, Standing
from gitops.surveyor import Surveyor

Format = Literal["text", "json"]
CheckFormat = Literal["text", "json", "github"]

Where = Annotated[Path, typer.Argument(help="The config repo: a work tree, or a bare repository")]
Revision = Annotated[str, typer.Option(help="A commit to judge instead of the files that lie there")]
As = Annotated[Format, typer.Option("--format", help="For people, or for programs")]
CheckAs = Annotated[CheckFormat, typer.Option("--format", help="For people, for programs, or as notes in a CI's diff")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def check(
    path: Where = Path(),
    *,
    revision: Revision = "",
    next_: Annotated[bool, typer.Option("--next", help="What comes after the next promotions counts too")] = False,
    format_: CheckAs = "text",
) -> None:
    """Is every environment within its declared variations? Exit code 0 = yes, 1 = no, 2 = cannot be judged."""
    with workplace(path) as place:
        surveyor = Surveyor(place.repo, place.renderer, place.memo)
        checker = Checker(place.repo, surveyor, place.repo)
        report = checker.check(place.repo.head(revision))
    passes = report.passes(ahead=next_)
    if format_ == "json":
        sys.stdout.write(_report_json(report, passes=passes))
    elif format_ == "github":
        sys.stdout.write("".join(f"{line}\n" for line in (*_annotations(report, ahead=next_), _count(report))))
    else:
        sys.stdout.write(_report_text(report))
    raise typer.Exit(0 if passes else 1)


@app.command()
def parity(
    a: Annotated[str, typer.Argument(help="An environment, or an overlay")],
    b: Annotated[str, typer.Argument(help="The one to compare it with")],
    path: Where = Path(),
    *,
    revision: Revision = "",
    format_: As = "text",
) -> None:
    """How do two environments differ? Exit code 0 = only as declared, 1 = otherwise too, 2 = cannot be judged."""
    with workplace(path) as place:
        comparer = Comparer(place.repo, place.renderer, place.memo, place.repo.subjects)
        pairs = comparer.parity(place.repo.head(revision), a, b)
    sys.stdout.write(_pairs_json(pairs) if format_ == "json" else "".join(_pair_text(pair) for pair in pairs))
    raise typer.Exit(0 if all(pair.is_equal for pair in pairs) else 1)


@dataclass(frozen=True, slots=True)
class Workplace:
    repo: WorkTree
    renderer: Kustomize
    memo: RenderCache


@contextmanager
def workplace(path: Path) -> Iterator[Workplace]:
    environment = os.environ  # noqa: TID251 - read once, here: hooks are told in it where pushed objects wait
    repo = WorkTree(path, environment)
    with _cache(environment.get("XDG_CACHE_HOME"), environment.get("HOME")) as cache:
        try:
            yield Workplace(
                repo, Kustomize(_binary(environment.get("LOCKSTEP_KUSTOMIZE")), cache), RenderCache(cache / "surveys")
            )
        finally:
            repo.close()


@contextmanager
def _cache(configured: str | None, home: str | None) -> Iterator[Path]:
    """A directory that lasts, if this user has one to write to."""
    parent = Path(configured) if configured else Path(home) / ".cache" if home else None
    directory = parent / "lockstep" / "check" if parent and parent.is_absolute() else None
    try:
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        directory = None
    if directory is not None and os.access(directory, os.W_OK):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        yield Path(scratch)


def _binary(configured: str | None) -> Path:
    found = configured or shutil.which("kustomize")
    if found is None or not Path(found).is_file():
        where = f"at {found}" if found else "on the PATH"
        raise Rejected(
            "NoKustomize", f"there is no kustomize {where}; install it, or set LOCKSTEP_KUSTOMIZE to its path"
        )
    return Path(found)


def _report_text(report: Report) -> str:
    lines = [f"environments/: {misfit}" for misfit in report.misfits]
    for checked in report.checked:
        lines += _checked_lines(checked)
    return "\n".join([*lines, _count(report)]) + "\n"


def _count(report: Report) -> str:
    forbidden = sum(violation.forbids for checked in report.checked for violation in checked.now.violations)
    refused = sum(checked.now.refusal is not None for checked in report.checked)
    counts = _many(len(report.checked), "overlay"), _many(forbidden, "violation")
    return f"{', '.join(counts)}, {refused} that cannot be rendered"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _annotations(report: Report, *, ahead: bool) -> Iterator[str]:
    """Each finding once. What only the next promotions would bring is a warning, unless that counts."""
    for misfit in report.misfits:
        yield annotation(misfit.message, misfit.place or Place(pipeline.FILE), is_error=True)
    for checked in report.checked:
        said = set()
        for verdict, counts, when in ((checked.now, True, ""), (checked.ahead, ahead, " after the next promotions")):
            for message, place, is_error in _findings(checked, verdict) if verdict else ():
                if (message, place) not in said:
                    said.add((message, place))
                    yield annotation(f"{checked.overlay.name}{when}: {message}", place, is_error=is_error and counts)


def _findings(checked: Checked, verdict: Verdict) -> Iterator[tuple[str, Place, bool]]:
    home = Place(checked.overlay.file)
    if verdict.refusal is not None:
        yield f"{verdict.refusal.reason}: {verdict.refusal.message}", verdict.refusal.place or home, True
    for violation in verdict.violations:
        head, *rest = violation.lines()
        yield "\n".join((head.partition(": ")[2], *rest)), violation.place or home, violation.forbids


def _checked_lines(checked: Checked) -> Iterator[str]:
    name = checked.overlay.name
    yield f"{name}: {summary(checked.now)}" + (f" ({checked.note})" if checked.note else "")
    yield from _verdict_lines(checked.now)
    if checked.ahead and (checked.ahead.violations or checked.ahead.refusal):
        yield f"{name}, after the next promotions: {summary(checked.ahead)}"
        yield from _verdict_lines(checked.ahead)


def summary(verdict: Verdict) -> str:
    if verdict.refusal is not None:
        return f"refused, {verdict.refusal.reason}"
    forbidden = sum(violation.forbids for violation in verdict.violations)
    warned = len(verdict.violations) - forbidden
    found = [_many(count, word) for count, word in ((forbidden, "violation"), (warned, "warning")) if count]
    free = f", {verdict.free} of them free by a preset" if verdict.free else ""
    return f"{', '.join(found) or 'ok'} ({_many(verdict.declared, 'declared difference')}{free})"


def _verdict_lines(verdict: Verdict) -> Iterator[str]:
    if verdict.refusal is not None:
        yield f"  {verdict.refusal}"
    for violation in verdict.violations:
        yield from violation_lines(violation)


def violation_lines(violation: Violation) -> Iterator[str]:
    first, *rest = violation.lines()
    yield f"  {first}"
    yield from (f"      {line}" for line in rest)


def _report_json(report: Report, *, passes: bool) -> str:
    content = {
        "passes": passes,
        "misfits": [{"reason": each.reason, "message": str(each)} for each in report.misfits],
        "overlays": [
            {
                "name": each.overlay.name,
                "environment": each.overlay.environment,
                "note": each.note,
                "now": _verdict_json(each.now),
                "next": _verdict_json(each.ahead) if each.ahead else None,
            }
            for each in report.checked
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    refusal = verdict.refusal
    return {
        "base": verdict.revision.base,
        "overlay": verdict.revision.overlay,
        "refusal": {"reason": refusal.reason, "message": str(refusal)} if refusal else None,
        "violations": [_violation_json(each) for each in verdict.violations],
        "declared": verdict.declared,
        "free": verdict.free,
    }


def _violation_json(violation: Violation) -> dict[str, Any]:
    key, place = violation.key, violation.place
    return {
        "reason": str(violation.breach),
        "severity": str(violation.severity),
        "environment": violation.environment,
        "object": {"group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name},
        "field": violation.field,
        "against": violation.against,
        "before": violation.before,
        "after": violation.after,
        "why": violation.why,
        "remedy": violation.remedy,
        "file": place.file if place else None,
        "line": place.line if place else None,
    }


def _pair_text(pair: Pair) -> str:
    lines = [f"{pair.a} and {pair.b}: {_parity_summary(pair)}"]
    if pair.trouble:
        lines.append(f"  undeclared  {pair.trouble}")
    for each in pair.findings:
        rule = f"  ({each.rule})" if each.rule else ""
        where = f"{each.key.kind} {each.key.name} {each.field}".rstrip()
        lines.append(f"  {each.standing:<10}  {where}: {_shown(each.a)} | {_shown(each.b)}{rule}")
    if pair.commits:
        lines.append(f"  {pair.b} is {len(pair.commits)} commits of the base behind {pair.a}:")
        lines += [f"    {line}" for line in pair.commits]
    return "\n".join(lines) + "\n"


def _parity_summary(pair: Pair) -> str:
    counts = {standing: sum(each.standing is standing for each in pair.findings) for standing in Standing}
    counts[Standing.UNDECLARED] += bool(pair.trouble)
    return ", ".join(f"{count} {standing}" for standing, count in counts.items())


def _shown(value: str | None) -> str:
    return "-" if value is None else value


def _pairs_json(pairs: tuple[Pair, ...]) -> str:
    content = [
        {
            "a": pair.a,
            "b": pair.b,
            "equal": pair.is_equal,
            "trouble": pair.trouble,
            "commits": list(pair.commits),
            "differences": [
                {
                    "standing": str(each.standing),
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
