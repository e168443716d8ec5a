"""`lockstep check`: judges whether the environments of a config repo differ only as declared. Offline."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gitops.cli.workspace import Revision, Where, workspace
from gitops.contract.checker import CheckedPair, Checker, CheckReport, OverlayVerdict
from gitops.contract.surveyor import Surveyor
from gitops.core.config_repo import pipeline
from gitops.core.contract.violations import Violation
from gitops.core.contract.workflow_commands import format_annotation
from gitops.core.errors import Place
from gitops.render.builds import Builds

Format = Literal["text", "json", "github"]
As = Annotated[
    Format, typer.Option("--format", help="Text for people, JSON for programs, or annotations for GitHub's diff")
]


def check(
    path: Where = Path(),
    *,
    revision: Revision = "",
    next_: Annotated[bool, typer.Option("--next", help="Also fail on what the next promotions would break")] = False,
    format_: As = "text",
) -> None:
    """Check that environments differ only as declared. Exit code 0 = they do, 1 = they do not, 2 = an error."""
    with workspace(path) as place:
        surveyor = Surveyor(Builds(place.repo, place.renderer), place.memo)
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


def _report_text(report: CheckReport) -> str:
    lines = [f"environments/: {misfit}" for misfit in report.misfits]
    for checked in report.checked:
        lines += _pair_lines(checked)
    return "\n".join([*lines, _count(report)]) + "\n"


def _count(report: CheckReport) -> str:
    forbidden = sum(violation.forbids for checked in report.checked for violation in checked.now.violations)
    refused = sum(checked.now.refusal is not None for checked in report.checked)
    counts = _many(len(report.checked), "overlay"), _many(forbidden, "violation")
    return f"{', '.join(counts)}, {refused} that cannot be rendered"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _annotations(report: CheckReport, *, ahead: bool) -> Iterator[str]:
    """Each finding once. What only the next promotions would bring is a warning, unless that counts."""
    for misfit in report.misfits:
        yield format_annotation(misfit.message, misfit.place or Place(pipeline.FILE), is_error=True)
    for checked in report.checked:
        said = set()
        for verdict, counts, when in ((checked.now, True, ""), (checked.ahead, ahead, " after the next promotions")):
            for message, place, is_error in _findings(checked, verdict) if verdict else ():
                if (message, place) not in said:
                    said.add((message, place))
                    yield format_annotation(
                        f"{checked.overlay.name}{when}: {message}", place, is_error=is_error and counts
                    )


def _findings(checked: CheckedPair, verdict: OverlayVerdict) -> Iterator[tuple[str, Place, bool]]:
    home = Place(checked.overlay.file)
    if verdict.refusal is not None:
        yield f"{verdict.refusal.reason}: {verdict.refusal.message}", verdict.refusal.place or home, True
    for violation in verdict.violations:
        head, *rest = violation.lines()
        yield "\n".join((head.partition(": ")[2], *rest)), violation.place or home, violation.forbids


def _pair_lines(checked: CheckedPair) -> Iterator[str]:
    name = checked.overlay.name
    yield f"{name}: {summary(checked.now)}" + (f" ({checked.note})" if checked.note else "")
    yield from _verdict_lines(checked.now)
    if checked.ahead and (checked.ahead.violations or checked.ahead.refusal):
        yield f"{name}, after the next promotions: {summary(checked.ahead)}"
        yield from _verdict_lines(checked.ahead)


def summary(verdict: OverlayVerdict) -> str:
    if verdict.refusal is not None:
        return f"refused, {verdict.refusal.reason}"
    forbidden = sum(violation.forbids for violation in verdict.violations)
    warned = len(verdict.violations) - forbidden
    found = [_many(count, word) for count, word in ((forbidden, "violation"), (warned, "warning")) if count]
    free = f", {verdict.free} of them free by a preset" if verdict.free else ""
    return f"{', '.join(found) or 'ok'} ({_many(verdict.declared, 'declared difference')}{free})"


def _verdict_lines(verdict: OverlayVerdict) -> Iterator[str]:
    if verdict.refusal is not None:
        yield f"  {verdict.refusal}"
    for violation in verdict.violations:
        yield from violation_lines(violation)


def violation_lines(violation: Violation) -> Iterator[str]:
    first, *rest = violation.lines()
    yield f"  {first}"
    yield from (f"      {line}" for line in rest)


def _report_json(report: CheckReport, *, passes: bool) -> str:
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


def _verdict_json(verdict: OverlayVerdict) -> dict[str, Any]:
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
        "reason": str(violation.kind),
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
