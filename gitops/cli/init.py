"""`lockstep init`: makes a config repo from the kustomizations of a git work tree. Offline.

A person runs it twice: the first run writes the tree; after the commit, the second run writes the release.yaml files
that name the commit.
"""

import posixpath
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from gitops.cli import new_files
from gitops.cli.init_report import describe, describe_files, describe_verdict, describe_written
from gitops.cli.workspace import Workspace, workspace
from gitops.contract.checker import Checker, CheckReport
from gitops.contract.surveyor import Surveyor
from gitops.core.config_repo.pipeline import FILE
from gitops.core.errors import Rejected
from gitops.core.onboarding.environments import EnvironmentOptions
from gitops.core.parsing.models import is_name
from gitops.onboarding.onboarder import Onboarder, Onboarding
from gitops.onboarding.release_lock import lock_releases
from gitops.render.builds import Builds

_UNDECIDED = frozenset({"Undecided", "AlreadyThere", "NotCommitted"})
_NEXT = """
next
  1. correct what looks wrong; read environments/pipeline.yaml, correct the guesses, narrow variations that are too wide
  2. git add --all && git commit
  3. lockstep init, again: it locks {later} to that commit
"""
_PUSH = """
next
  1. git add --all && git commit && git push; not as a squash or rebase, for release.yaml names the commit before
  2. point the controller at this repo: it observes, and writes nothing to the cluster
  3. when its plan is what you want, remove `sync: {mode: observe}` from pipeline.yaml, one environment after another
"""
_MEND = """
nothing was locked: correct this first; a locked environment gets the corrected tree only by a promotion
"""

Where = Annotated[Path, typer.Argument(help="A git work tree of kustomizations, or a directory in it")]
Chosen = Annotated[
    list[str], typer.Option("--environment", metavar="NAME=PATH", help="The directory of an environment")
]
Base = Annotated[str, typer.Option(metavar="PATH", help="The directory that all environments are compared with")]
Order = Annotated[str, typer.Option(metavar="A,B,C", help="The environments in the order of promotion")]
Namespaces = Annotated[
    list[str], typer.Option("--namespace", metavar="NAME=NAMESPACE", help="The namespace of an environment")
]
Output = Annotated[Path | None, typer.Option(help="Write to this new directory, not to the work tree")]
Print = Annotated[bool, typer.Option("--print", help="Show the files, and write nothing")]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """`where` is the directory that was written to, None = nothing was. `after` says what a person does next."""

    report: CheckReport | None = None
    where: Path | None = None
    after: str = ""
    is_settled: bool = True


def init(  # noqa: PLR0913 - the arguments of a command are its options
    path: Where = Path(),
    *,
    environment: Chosen = (),  # type: ignore[assignment]
    base: Base = "",
    order: Order = "",
    namespace: Namespaces = (),  # type: ignore[assignment]
    output: Output = None,
    print_: Print = False,
) -> None:
    """Make a config repo from kustomizations. Exit code 0 = done, 1 = a person must decide something, 2 = an error."""
    options = EnvironmentOptions(
        environments={name: _plain(each) for name, each in _pairs(environment, "--environment").items()},
        base=_plain(base),
        order=tuple(filter(None, order.split(","))),
        namespaces=_namespaces(namespace),
    )
    try:
        with _open(path) as place:
            outcome = _run(place, replace(options, within=_within(place, path)), output, write=not print_)
        report = outcome.report if outcome.where is None else _check(outcome.where)
    except Rejected as error:
        if error.reason not in _UNDECIDED:
            raise
        sys.stderr.write(f"lockstep: {error.reason}: {error}\n")
        raise typer.Exit(1) from None
    if report is not None:
        sys.stdout.write(describe_verdict(report))
    sys.stdout.write(outcome.after)
    raise typer.Exit(0 if outcome.is_settled and (report is None or report.passes(ahead=False)) else 1)


def _run(place: Workspace, options: EnvironmentOptions, output: Path | None, *, write: bool) -> _Outcome:
    head = place.repo.head()
    if FILE in place.repo.tree(head):
        return _lock(place, head, write=write)
    onboarding = Onboarder(place.repo, place.renderer, place.memo, head).onboard(options)
    sys.stdout.write(describe(onboarding))
    if not write:
        sys.stdout.write(describe_files(onboarding))
        return _Outcome(onboarding.report, is_settled=onboarding.is_settled)
    where = _write(place, head, onboarding, output)
    later = [name for name, each in onboarding.declared.environments.items() if each.after]
    return _Outcome(
        where=where, after=_NEXT.format(later=", ".join(later) or "nothing"), is_settled=onboarding.is_settled
    )


def _write(place: Workspace, head: str, onboarding: Onboarding, output: Path | None) -> Path:
    root, files = place.repo.root, dict(onboarding.files)
    if output is not None:
        tree = place.repo.tree(head)
        files |= {path: place.repo.read(tree[path].id) for path in onboarding.reads}
        root = output.resolve()
        if root.exists() and any(root.iterdir()):
            raise Rejected("AlreadyThere", f"{root} is not empty; --output wants a new directory")
    elif root is None:
        raise Rejected("NoConfigRepo", "a bare repository has no files to write to: add --output DIRECTORY")
    elif not (root / ".git").exists():
        message = f"{root} is not the root of a git repository, which a config repo must be: run `git init` there"
        raise Rejected("NoConfigRepo", f"{message}, or add --output DIRECTORY")
    try:
        new_files.write(root, files)
    except Rejected as error:
        raise Rejected(
            error.reason, f"{error.message}. `--output DIRECTORY` makes the config repo elsewhere"
        ) from error
    sys.stdout.write(describe_written(files, str(root)))
    return root


def _lock(place: Workspace, head: str, *, write: bool) -> _Outcome:
    """The second run: pipeline.yaml is committed, and the environments are locked to that commit."""
    root = place.repo.root
    if root is None:
        raise Rejected(
            "NoConfigRepo", "a bare repository has no files to write to; run this in a work tree of the config repo"
        )
    found = lock_releases(place.repo, head, _commit(place))
    report = _report(place)
    if found and not report.passes(ahead=False):
        return _Outcome(report, after=_MEND)
    if not write:
        sys.stdout.write("".join(_describe_locks(found)))
        return _Outcome(report)
    new_files.write(root, found)
    if not found:
        sys.stdout.write(f"{FILE} is there, and every environment that needs a release.yaml has one\n")
    else:
        sys.stdout.write(describe_written(found, str(root)))
    return _Outcome(where=root, after=_PUSH if found else "")


def _commit(place: Workspace) -> str:
    try:
        return place.repo.head("HEAD")
    except Rejected as error:
        raise Rejected("NotCommitted", f"{FILE} is not committed: commit it, then run this again") from error


@contextmanager
def _open(path: Path) -> Iterator[Workspace]:
    with ExitStack() as stack:
        try:
            place = stack.enter_context(workspace(path))
        except Rejected as error:
            if error.reason != "NoConfigRepo":
                raise
            message = f"{path.resolve()} is not in a git repository: run `git init` there first"
            raise Rejected("NoConfigRepo", message) from error
        yield place


def _check(root: Path) -> CheckReport:
    """Checks the files that were written."""
    with workspace(root) as place:
        return _report(place)


def _report(place: Workspace) -> CheckReport:
    return Checker(place.repo, Surveyor(Builds(place.repo, place.renderer), place.memo)).check(place.repo.head())


def _within(place: Workspace, path: Path) -> str:
    """The directory to look in, relative to the root of the work tree; empty = all of it."""
    if place.repo.root is None:
        return ""
    within = path.resolve().relative_to(place.repo.root).as_posix()
    return "" if within == "." else within


def _namespaces(options: Sequence[str]) -> dict[str, str]:
    found = _pairs(options, "--namespace")
    wrong = [value for value in found.values() if not is_name(value)]
    if wrong:
        raise Rejected("InvalidOption", f"--namespace: {wrong[0]!r} is not a DNS label, so it cannot be a namespace")
    return found


def _plain(path: str) -> str:
    """The path as git writes it; empty stays empty."""
    return posixpath.normpath(path) if path else ""


def _pairs(options: Sequence[str], option: str) -> dict[str, str]:
    """Parses NAME=VALUE options. Raises: Rejected(InvalidOption)."""
    found: dict[str, str] = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not equals or not is_name(name) or not value or name in found:
            raise Rejected(
                "InvalidOption", f"{option} {text!r}: write NAME=VALUE, with a DNS label as name and each name once"
            )
        found[name] = value
    return found


def _describe_locks(files: Mapping[str, bytes]) -> Iterator[str]:
    for path, content in sorted(files.items()):
        yield f"\n--- {path}\n{content.decode(errors='replace')}"
