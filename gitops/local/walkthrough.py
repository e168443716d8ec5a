"""What `lockstep local up` tells: how the environments come up, one push from Harbor to Healthy, what to try next."""

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
from gitops.local.image_push import PushStep, PushWatch
from gitops.local.page_client import PageClient, PageOverlay, PageReport
from gitops.local.site import LocalSite

SERVICE = "order"
_NEXT_SERVICE = "print-api"
_WAITING = "waiting for the Lease: a controller that was killed has not given it back, it ends after 15 s"
_FAILING = "cannot be looked at, the log says why"
_TONES = {"Synced": "green", "Healthy": "green", "Progressing": "yellow", "OutOfSync": "yellow"}


def show_sync(console: Console, page: PageClient, overlays: Sequence[str], *, seconds: float) -> bool:
    """Follows the overlays until all are Synced and Healthy: a live table on a terminal, a line per transition
    elsewhere. False when that does not happen in time.
    """
    with _shown_as(console, overlays) as show:
        for report in page.follow(seconds):
            show(report)
            if all(name in report.seen and report.overlays[name].is_settled for name in overlays):
                return True
    return False


def show_push(console: Console, happenings: Iterable[PushStep]) -> int:
    """Prints what happens as it happens, with the time since the push and since the step before; returns how many."""
    count, before = 0, 0.0
    for each in happenings:
        tell(console, [f"  {each.at:6.2f} s  +{each.at - before:.2f} s  {each.who:<10}  {each.what}"])
        count, before = count + 1, each.at
    return count


def show_release(console: Console, world: PushWatch, at: datetime) -> None:
    """The story itself: Harbor announces the next build of the order service. What goes wrong is told, not raised."""
    tag = image_push.next_build(image_push.deployed_tag(world.site, SERVICE))
    if not tag:
        tell(console, [f"(no story: the first environment of the config repo has no numbered tag of {SERVICE})"])
        return
    try:
        pushed = image_push.image(world.site, SERVICE, tag)
        tell(console, ["", f"Jenkins has pushed {pushed.name}:{tag}, and Harbor tells of it:"])
        show_push(console, image_push.follow(world, SERVICE, pushed, at))
    except GitopsError as error:
        tell(console, [f"  the story stops here: {error}"])


def show_hints(console: Console, site: LocalSite, kubeconfig: Path) -> None:
    """The page's address, and lines to copy into another terminal."""
    tell(console, ["", f"The page: {site.url('page')}/", "", "Try next, in another terminal:"])
    tell(console, [line for hint in _hints(site, kubeconfig) for line in hint])
    tell(
        console,
        ["", f"The log: tail -f {_shown(site.log)}", "Ctrl-C stops all of it; what was made stays for the next start."],
    )


def show_overlays(console: Console, overlays: Mapping[str, PageOverlay]) -> None:
    console.print(_table(list(overlays), overlays))


def tell(console: Console, lines: Iterable[str]) -> None:
    """Lines as they are: not wrapped, so that they can be copied, and without markup."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def command(directory: Path, *arguments: str) -> str:
    """A `lockstep local` command line for a site, as a person in the current directory would type it."""
    own = Path(sys.executable).with_name("lockstep")
    elsewhere = () if directory == Path(".lockstep").absolute() else ("--directory", _shown(directory))
    return f"{_shown(own)} local {shlex.join([*arguments, *elsewhere])}"


def _hints(site: LocalSite, kubeconfig: Path) -> list[list[str]]:
    return [_push(site), *_promotions(site), _edit(site), _drift(site, kubeconfig)]


def _promotions(site: LocalSite) -> list[list[str]]:
    """The release of before goes on from environment to environment, and back; said while dev is ahead."""
    declared = image_push.declared(site)
    if not image_push.deployed_tag(site, SERVICE):
        return []
    own = "" if site.directory == Path(".lockstep").absolute() else f" -c {_shown(site.directory / 'lockstep.yaml')}"
    lockstep = _shown(Path(sys.executable).with_name("lockstep"))
    found: list[list[str]] = []
    for name in declared.order:
        environment = declared.environments[name]
        if environment.promote is not None and _can_be_asked(site, environment.promote):
            found.append(_promotion(site, name, environment, (lockstep, own)))
    target = next((name for name in reversed(declared.order) if declared.environments[name].promote), "")
    if found:
        found[0][:0] = [
            "  # in this terminal you are `you` then, with a key to sign with that only this installation knows",
            f"  export GIT_CONFIG_GLOBAL={_absolute(people.git_config(site.people, people.YOU))}",
        ]
        found[-1] += [
            f"  # back to what {target} had, byte for byte, and held there until `resume`",
            f"  {lockstep} rollback {target} --reason 'not yet'{own}",
            f"  {lockstep} resume {target}{own}",
        ]
    return found


def _can_be_asked(site: LocalSite, promote: PromotePolicy) -> bool:
    """False where approvals are needed and nobody here can sign."""
    return not promote.approvals.count or people.git_config(site.people, people.YOU).exists()


def _promotion(site: LocalSite, name: str, environment: Environment, command: tuple[str, str]) -> list[str]:
    promote, (lockstep, own) = environment.promote or PromotePolicy(when="requested"), command
    gates = [Gate.SOAK, *([Gate.SCAN] if promote.scan else []), *([Gate.WINDOWS] if promote.windows.allow else [])]
    skips = " ".join(f"--skip-gate {gate}" for gate in gates)
    how = "by itself" if promote.when == "proven" else "when somebody asks"
    before, soaks = environment.after, format_duration(promote.soak)
    lines = [f"  # {SERVICE} comes to {name} {how} once it ran in {before} for {soaks}; gates are skipped by name only"]
    if not promote.approvals.count:
        return [*lines, f"  {lockstep} promote {name} {SERVICE} {skips} --reason 'a first try'{own}"]
    request = f"{SERVICE}-{image_push.deployed_tag(site, SERVICE)}"
    colleague = _absolute(people.git_config(site.people, people.COLLEAGUE))
    return [
        *lines,
        f"  {lockstep} promote {name} {SERVICE} --name {request} {skips} --reason 'a first try'{own}",
        f"  # the page of {name} tells what the request waits for: a second person, who is shown what it will change",
        f"  GIT_CONFIG_GLOBAL={colleague} {lockstep} approve {name} {request}{own}",
    ]


def _push(site: LocalSite) -> list[str]:
    tag = _next_minor(image_push.deployed_tag(site, _NEXT_SERVICE))
    if not tag:
        return []
    return [
        "  # a release of print-api; 2.0.0 would be refused, with the reason",
        f"  {command(site.directory, 'push', _NEXT_SERVICE, tag)}",
    ]


def _edit(site: LocalSite) -> list[str]:
    """A change of settings by git, the other way round when it was done before."""
    path = f"{pipeline.ENVIRONMENTS}/dev/application-dev.yml"
    if path not in config_repo.paths(site.config_repo):
        return []
    old, new = ("DEBUG", "INFO") if b"DEBUG" in config_repo.read(site.config_repo, path) else ("INFO", "DEBUG")
    work = site.directory / "work"
    at = f"git -C {_shown(work)}"
    fetch = f"{at} pull -q" if work.exists() else f"git clone -q {_shown(site.config_repo)} {_shown(work)}"
    who = "-c user.name=me -c user.email=me@example.invalid"
    return [
        "  # a change of configuration by git, live a moment after the push",
        f"  {fetch}",
        f"  sed -i s/{old}/{new}/ {_shown(work / path)}",
        f"  {at} {who} commit -qam 'dev: log level {new}'",
        f"  {at} push -q",
    ]


def _drift(site: LocalSite, kubeconfig: Path) -> list[str]:
    environments = image_push.declared(site).environments
    if "test" not in environments:
        return []
    missing = "" if shutil.which("kubectl") else " (kubectl has to be installed first)"
    at = f"kubectl --kubeconfig {_shown(kubeconfig)} -n {environments['test'].namespace}"
    return [
        f"  # an edit by hand in test: undone at once, the page tells by whom; dev would only report it{missing}",
        f"  {at} scale deployment {SERVICE} --replicas=3",
        f"  {at} get deployment {SERVICE}",
    ]


def _next_minor(tag: str) -> str:
    """`1.4.2` -> `1.5.0`; empty for what is no such number."""
    parts = tag.split(".")
    return f"{parts[0]}.{int(parts[1]) + 1}.0" if len(parts) == 3 and all(map(str.isdigit, parts)) else ""


def _absolute(path: Path) -> str:
    """For what is read in another directory than the one where it is typed."""
    return shlex.quote(str(path))


def _shown(path: Path) -> str:
    """As short as it can be typed from here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


@contextmanager
def _shown_as(console: Console, overlays: Sequence[str]) -> Iterator[Callable[[PageReport], None]]:
    """What shows a new state of the overlays."""
    if console.is_terminal:
        with Live(_progress(overlays, PageReport(leads=True)), console=console, auto_refresh=False) as live:
            yield lambda report: live.update(_progress(overlays, report), refresh=True)
    else:
        said: dict[str, str] = {}

        def tell_news(report: PageReport) -> None:
            known = {name: found for name, found in sorted(report.overlays.items()) if name in report.seen}
            news = {name: f"  {name}: {found.sync}, {found.health}" for name, found in known.items()}
            news |= {name: f"  {name}: {_FAILING}" for name in sorted(report.failing)}
            news |= {} if report.leads else {"": f"  {_WAITING}"}
            tell(console, [words for name, words in news.items() if said.get(name) != words])
            said.update(news)

        yield tell_news


def _progress(overlays: Sequence[str], report: PageReport) -> Table:
    table = _table(
        overlays, {name: found for name, found in report.overlays.items() if name in report.seen}, report.failing
    )
    table.caption = "" if report.leads else _WAITING
    table.caption_justify = "left"
    return table


def _counted(found: PageOverlay) -> str:
    return " + ".join(f"{count} {health}" for health, count in found.objects.items())


def _table(overlays: Sequence[str], known: Mapping[str, PageOverlay], failing: Collection[str] = ()) -> Table:
    table = Table("overlay", "sync", "health", "objects", box=None, pad_edge=False)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name in overlays:
        found = known.get(name)
        if found is None:
            table.add_row(name, "", "", "", _FAILING if name in failing else "not looked at yet", style="dim")
        else:
            why = "" if found.is_settled else found.message
            table.add_row(name, _toned(found.sync), _toned(found.health), _counted(found), why)
    return table


def _toned(word: str) -> str:
    return f"[{_TONES.get(word, 'red')}]{word}[/]"
