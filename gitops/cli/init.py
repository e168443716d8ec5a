"""The command that makes a config repo of what is there: `lockstep init`. Offline, like `lockstep check`.

It is run twice: first it writes the tree, and, once that is committed, the release.yaml files that name the commit.
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
from gitops.cli.init_report import printed, told, verdict, written
from gitops.cli.workspace import Workspace, workplace
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
  1. mend what looks wrong; read environments/pipeline.yaml, correct what was guessed, narrow what is too wide
  2. git add --all && git commit
  3. lockstep init, again: it locks {later} to that commit
"""
_PUSH = """
next
  1. git add --all && git commit && git push; not as a squash or rebase, for release.yaml names the commit before
  2. let the controller follow this repo: it observes, and writes nothing to the cluster
  3. when its plan is what you want, take `sync: {mode: observe}` out of pipeline.yaml, one environment after another
"""
_MEND = """
nothing was locked: mend this first; a locked environment would get the mended tree by a promotion only
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.callback()(lambda: None)  # one command alone would have no name

Where = Annotated[Path, typer.Argument(help="A git work tree of kustomizations, or a directory in it to look in")]
Chosen = Annotated[list[str], typer.Option("--environment", metavar="NAME=PATH", help="An environment's directory")]
Base = Annotated[str, typer.Option(metavar="PATH", help="The directory that environments are compared with")]
Order = Annotated[str, typer.Option(metavar="A,B,C", help="The environments, each after the one before")]
Namespaces = Annotated[
    list[str], typer.Option("--namespace", metavar="NAME=NAMESPACE", help="An environment's namespace")
]
Output = Annotated[Path | None, typer.Option(help="A new directory for the config repo, instead of this work tree")]
Print = Annotated[bool, typer.Option("--print", help="Show what would be written, and write nothing")]


@dataclass(frozen=True, slots=True)
class _Done:
    """`where`: what was written to, None = nothing; `after`: what is left for a person to do, in words."""

    report: CheckReport | None = None
    where: Path | None = None
    after: str = ""
    is_settled: bool = True


@app.command()
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
    """Make a config repo from kustomizations. Exit code 0 = done, 1 = a person must decide something, 2 = cannot."""
    wishes = EnvironmentOptions(
        environments={name: _plain(each) for name, each in _pairs(environment, "--environment").items()},
        base=_plain(base),
        order=tuple(filter(None, order.split(","))),
        namespaces=_namespaces(namespace),
    )
    try:
        with _opened(path) as place:
            done = _run(place, replace(wishes, within=_within(place, path)), output, write=not print_)
        report = done.report if done.where is None else _checked(done.where)
    except Rejected as error:
        if error.reason not in _UNDECIDED:
            raise
        sys.stderr.write(f"lockstep: {error.reason}: {error}\n")
        raise typer.Exit(1) from None
    if report is not None:
        sys.stdout.write(verdict(report))
    sys.stdout.write(done.after)
    raise typer.Exit(0 if done.is_settled and (report is None or report.passes(ahead=False)) else 1)


def _run(place: Workspace, wishes: EnvironmentOptions, output: Path | None, *, write: bool) -> _Done:
    head = place.repo.head()
    if FILE in place.repo.tree(head):
        return _lock(place, head, write=write)
    adoption = Onboarder(place.repo, place.renderer, place.memo, head).onboard(wishes)
    sys.stdout.write(told(adoption))
    if not write:
        sys.stdout.write(printed(adoption))
        return _Done(adoption.report, is_settled=adoption.is_settled)
    where = _write(place, head, adoption, output)
    later = [name for name, each in adoption.declared.environments.items() if each.after]
    return _Done(where=where, after=_NEXT.format(later=", ".join(later) or "nothing"), is_settled=adoption.is_settled)


def _write(place: Workspace, head: str, adoption: Onboarding, output: Path | None) -> Path:
    root, files = place.repo.root, dict(adoption.files)
    if output is not None:
        tree = place.repo.tree(head)
        files |= {path: place.repo.read(tree[path].id) for path in adoption.reads}
        root = output.resolve()
        if root.exists() and any(root.iterdir()):
            raise Rejected("AlreadyThere", f"{root} is not empty; --output wants a new directory")
    elif root is None:
        raise Rejected("NoConfigRepo", "a bare repository has no files to write to: add --output DIRECTORY")
    elif not (root / ".git").exists():
        message = f"{root} is not the root of a git repository, where a config repo has environments/: `git init` there"
        raise Rejected("NoConfigRepo", f"{message}, or add --output DIRECTORY")
    try:
        new_files.write(root, files)
    except Rejected as error:
        raise Rejected(
            error.reason, f"{error.message}. `--output DIRECTORY` makes the config repo elsewhere"
        ) from error
    sys.stdout.write(written(files, str(root)))
    return root


def _lock(place: Workspace, head: str, *, write: bool) -> _Done:
    """There is a pipeline.yaml: what is left to do is to lock the environments to a commit."""
    root = place.repo.root
    if root is None:
        raise Rejected("NoConfigRepo", "this is a config repo already; run this in a work tree of it")
    found = lock_releases(place.repo, head, _commit(place))
    report = _report(place)
    if found and not report.passes(ahead=False):
        return _Done(report, after=_MEND)
    if not write:
        sys.stdout.write("".join(_printed(found)))
        return _Done(report)
    new_files.write(root, found)
    if not found:
        sys.stdout.write(f"there is a {FILE}, and every environment that needs a release.yaml has one\n")
    else:
        sys.stdout.write(written(found, str(root)))
    return _Done(where=root, after=_PUSH if found else "")


def _commit(place: Workspace) -> str:
    try:
        return place.repo.head("HEAD")
    except Rejected as error:
        raise Rejected("NotCommitted", f"there is a {FILE}; commit it, then run this again") from error


@contextmanager
def _opened(path: Path) -> Iterator[Workspace]:
    with ExitStack() as stack:
        try:
            place = stack.enter_context(workplace(path))
        except Rejected as error:
            if error.reason != "NoConfigRepo":
                raise
            message = f"{path.resolve()} is in no git repository: run `git init` there first"
            raise Rejected("NoConfigRepo", message) from error
        yield place


def _checked(root: Path) -> CheckReport:
    """The verdict on what now lies there."""
    with workplace(root) as place:
        return _report(place)


def _report(place: Workspace) -> CheckReport:
    return Checker(place.repo, Surveyor(Builds(place.repo, place.renderer), place.memo)).check(place.repo.head())


def _within(place: Workspace, path: Path) -> str:
    """The directory to look in, from the root of the work tree."""
    if place.repo.root is None:
        return ""
    within = path.resolve().relative_to(place.repo.root).as_posix()
    return "" if within == "." else within


def _namespaces(options: Sequence[str]) -> dict[str, str]:
    found = _pairs(options, "--namespace")
    wrong = [value for value in found.values() if not is_name(value)]
    if wrong:
        raise Rejected("InvalidOption", f"--namespace: {wrong[0]!r} is no namespace, which is a DNS label")
    return found


def _plain(path: str) -> str:
    """A path as git writes it; empty stays empty."""
    return posixpath.normpath(path) if path else ""


def _pairs(options: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE options. Raises: Rejected(InvalidOption)."""
    found: dict[str, str] = {}
    for text in options:
        name, equals, value = text.partition("=")
        if not equals or not is_name(name) or not value or name in found:
            raise Rejected("InvalidOption", f"{option} wants NAME=VALUE, each name once and a DNS label, not {text!r}")
        found[name] = value
    return found


def _printed(files: Mapping[str, bytes]) -> Iterator[str]:
    for path, content in sorted(files.items()):
        yield f"\n--- {path}\n{content.decode(errors='replace')}"
