"""The output of `lockstep local up`: the first sync, one release from Harbor to Healthy, and commands to try next."""

import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.environments import Environment, PromotePolicy
from gitops.core.errors import GitopsError
from gitops.core.parsing.models import format_duration
from gitops.core.promotion.gates import Gate
from gitops.local import config_repo, image_push, people
from gitops.local.image_push import PushSources, PushStep
from gitops.local.page_client import ControllerReport, OverlayReport, PageClient
from gitops.local.site import LocalSite
from gitops.local.terminal import print_lines

SERVICE = "order"
_NEXT_SERVICE = "print-api"
_WAITING = "waiting for the Lease: a killed controller did not release it, so it expires after 15 s"
_FAILING = "cannot be reconciled, see the log"
_TONES = {"Synced": "green", "Healthy": "green", "Progressing": "yellow", "OutOfSync": "yellow"}


def show_sync(console: Console, page: PageClient, overlays: Sequence[str], *, seconds: float) -> bool:
    """Shows the overlays until all are Synced and Healthy: a live table on a terminal, a line for each change
    elsewhere. False if they are not after `seconds`.
    """
    with _show_live(console, overlays) as show:
        for report in page.follow(seconds):
            show(report)
            if all(name in report.seen and report.overlays[name].is_settled for name in overlays):
                return True
    return False


def show_push(console: Console, steps: Iterable[PushStep]) -> int:
    """Prints each step with the time since the push and since the step before. Returns the number of steps."""
    count, before = 0, 0.0
    for each in steps:
        print_lines(console, [f"  {each.at:6.2f} s  +{each.at - before:.2f} s  {each.who:<10}  {each.what}"])
        count, before = count + 1, each.at
    return count


def show_release(console: Console, sources: PushSources, at: datetime) -> None:
    """Announces the next build of the order service as Harbor does, and shows its steps. Errors are printed, not
    raised.
    """
    tag = image_push.next_build(image_push.deployed_tag(sources.site, SERVICE))
    if not tag:
        print_lines(
            console,
            [f"(no release is shown: the first environment has no numbered tag of {SERVICE})"],
        )
        return
    try:
        pushed = image_push.image(sources.site, SERVICE, tag)
        print_lines(console, ["", f"Jenkins has pushed {pushed.name}:{tag}, and Harbor announces it:"])
        show_push(console, image_push.follow(sources, SERVICE, pushed, at))
    except GitopsError as error:
        print_lines(console, [f"  the release stops here: {error}"])


def show_suggestions(console: Console, site: LocalSite, kubeconfig: Path) -> None:
    """Prints the page's address and commands to copy into another terminal."""
    print_lines(console, ["", f"The page: {site.url('page')}/", "", "Try next, in another terminal:"])
    print_lines(console, [line for lines in _suggestions(site, kubeconfig) for line in lines])
    print_lines(
        console,
        ["", f"The log: tail -f {_relative(site.log)}", "Ctrl-C stops everything; the data stays for the next start."],
    )


def show_overlays(console: Console, overlays: Mapping[str, OverlayReport]) -> None:
    console.print(_table(list(overlays), overlays))


def command_line(directory: Path, *arguments: str) -> str:
    """A `lockstep local` command line for a site, to be typed in the current directory."""
    own = Path(sys.executable).with_name("lockstep")
    elsewhere = () if directory == Path(".lockstep").absolute() else ("--directory", _relative(directory))
    return f"{_relative(own)} local {shlex.join([*arguments, *elsewhere])}"


def _suggestions(site: LocalSite, kubeconfig: Path) -> list[list[str]]:
    return [_suggest_push(site), *_suggest_promotions(site), _suggest_edit(site), _suggest_drift(site, kubeconfig)]


def _suggest_promotions(site: LocalSite) -> list[list[str]]:
    """Commands that promote the shown release through the environments and roll it back."""
    declared = image_push.read_pipeline(site)
    if not image_push.deployed_tag(site, SERVICE):
        return []
    own = "" if site.directory == Path(".lockstep").absolute() else f" -c {_relative(site.directory / 'lockstep.yaml')}"
    lockstep = _relative(Path(sys.executable).with_name("lockstep"))
    found: list[list[str]] = []
    for name in declared.order:
        environment = declared.environments[name]
        if environment.promote is not None and _is_possible(site, environment.promote):
            found.append(_suggest_promotion(site, name, environment, (lockstep, own)))
    target = next((name for name in reversed(declared.order) if declared.environments[name].promote), "")
    if found:
        found[0][:0] = [
            "  # sign in this terminal as the person `you`, with a key that only this installation accepts",
            f"  export GIT_CONFIG_GLOBAL={_absolute(people.git_config(site.people, people.YOU))}",
        ]
        found[-1] += [
            f"  # roll {target} back to its previous release, byte for byte, and hold it there until `resume`",
            f"  {lockstep} rollback {target} --reason 'not yet'{own}",
            f"  {lockstep} resume {target}{own}",
        ]
    return found


def _is_possible(site: LocalSite, promote: PromotePolicy) -> bool:
    """False if approvals are required and no person here can sign (without ssh-keygen)."""
    return not promote.approvals.count or people.git_config(site.people, people.YOU).exists()


def _suggest_promotion(site: LocalSite, name: str, environment: Environment, command: tuple[str, str]) -> list[str]:
    promote, (lockstep, own) = environment.promote or PromotePolicy(when="requested"), command
    gates = [Gate.SOAK, *([Gate.SCAN] if promote.scan else []), *([Gate.WINDOWS] if promote.windows.allow else [])]
    skips = " ".join(f"--skip-gate {gate}" for gate in gates)
    how = "automatically" if promote.when == "proven" else "on request"
    before, soaks = environment.after, format_duration(promote.soak)
    lines = [f"  # {SERVICE} is promoted to {name} {how} after {soaks} in {before}; a request can skip gates by name"]
    if not promote.approvals.count:
        return [*lines, f"  {lockstep} promote {name} {SERVICE} {skips} --reason 'a first try'{own}"]
    request = f"{SERVICE}-{image_push.deployed_tag(site, SERVICE)}"
    colleague = _absolute(people.git_config(site.people, people.COLLEAGUE))
    return [
        *lines,
        f"  {lockstep} promote {name} {SERVICE} --name {request} {skips} --reason 'a first try'{own}",
        f"  # the page of {name} shows the gate of the request: a second person approves it and sees what it changes",
        f"  GIT_CONFIG_GLOBAL={colleague} {lockstep} approve {name} {request}{own}",
    ]


def _suggest_push(site: LocalSite) -> list[str]:
    tag = _next_minor(image_push.deployed_tag(site, _NEXT_SERVICE))
    if not tag:
        return []
    return [
        "  # a release of print-api; the tag policy would ignore 2.0.0, and the answer tells why",
        f"  {command_line(site.directory, 'push', _NEXT_SERVICE, tag)}",
    ]


def _suggest_edit(site: LocalSite) -> list[str]:
    """Commands that change a setting in git; after the first time they change it back."""
    path = f"{pipeline.ENVIRONMENTS}/dev/application-dev.yml"
    if path not in config_repo.paths(site.config_repo):
        return []
    old, new = ("DEBUG", "INFO") if b"DEBUG" in config_repo.read(site.config_repo, path) else ("INFO", "DEBUG")
    work = site.directory / "work"
    at = f"git -C {_relative(work)}"
    fetch = f"{at} pull -q" if work.exists() else f"git clone -q {_relative(site.config_repo)} {_relative(work)}"
    who = "-c user.name=me -c user.email=me@example.invalid"
    return [
        "  # a change of configuration in git, applied a moment after the push",
        f"  {fetch}",
        f"  sed -i s/{old}/{new}/ {_relative(work / path)}",
        f"  {at} {who} commit -qam 'dev: log level {new}'",
        f"  {at} push -q",
    ]


def _suggest_drift(site: LocalSite, kubeconfig: Path) -> list[str]:
    environments = image_push.read_pipeline(site).environments
    if "test" not in environments:
        return []
    missing = "" if shutil.which("kubectl") else " (install kubectl first)"
    at = f"kubectl --kubeconfig {_relative(kubeconfig)} -n {environments['test'].namespace}"
    return [
        f"  # an edit by hand in test: Lockstep reverts it and the page names its author; dev only reports it{missing}",
        f"  {at} scale deployment {SERVICE} --replicas=3",
        f"  {at} get deployment {SERVICE}",
    ]


def _next_minor(tag: str) -> str:
    """Increments the minor version: `1.4.2` -> `1.5.0`. Empty for other forms."""
    parts = tag.split(".")
    return f"{parts[0]}.{int(parts[1]) + 1}.0" if len(parts) == 3 and all(map(str.isdigit, parts)) else ""


def _absolute(path: Path) -> str:
    """An absolute path, for a value that is used in another directory."""
    return shlex.quote(str(path))


def _relative(path: Path) -> str:
    """The path relative to the current directory if it is below it."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


@contextmanager
def _show_live(console: Console, overlays: Sequence[str]) -> Iterator[Callable[[ControllerReport], None]]:
    """Yields a function that shows a new report."""
    if console.is_terminal:
        with Live(_progress(overlays, ControllerReport(leads=True)), console=console, auto_refresh=False) as live:
            yield lambda report: live.update(_progress(overlays, report), refresh=True)
    else:
        printed: dict[str, str] = {}

        def print_news(report: ControllerReport) -> None:
            known = {name: found for name, found in sorted(report.overlays.items()) if name in report.seen}
            news = {name: f"  {name}: {found.sync}, {found.health}" for name, found in known.items()}
            news |= {name: f"  {name}: {_FAILING}" for name in sorted(report.failing)}
            news |= {} if report.leads else {"": f"  {_WAITING}"}
            print_lines(console, [line for name, line in news.items() if printed.get(name) != line])
            printed.update(news)

        yield print_news


def _progress(overlays: Sequence[str], report: ControllerReport) -> Table:
    table = _table(
        overlays, {name: found for name, found in report.overlays.items() if name in report.seen}, report.failing
    )
    table.caption = "" if report.leads else _WAITING
    table.caption_justify = "left"
    return table


def _count_objects(found: OverlayReport) -> str:
    return " + ".join(f"{count} {health}" for health, count in found.objects.items())


def _table(overlays: Sequence[str], known: Mapping[str, OverlayReport], failing: Collection[str] = ()) -> Table:
    table = Table("overlay", "sync", "health", "objects", box=None, pad_edge=False)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name in overlays:
        found = known.get(name)
        if found is None:
            table.add_row(name, "", "", "", _FAILING if name in failing else "not reconciled yet", style="dim")
        else:
            why = "" if found.is_settled else found.message
            table.add_row(name, _colour(found.sync), _colour(found.health), _count_objects(found), why)
    return table


def _colour(word: str) -> str:
    return f"[{_TONES.get(word, 'red')}]{word}[/]"
