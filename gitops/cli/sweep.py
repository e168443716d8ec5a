"""`lockstep sweep`: asks the registries now, and commits the images whose webhook was lost."""

import random
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gitops.app import registry_wiring
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile
from gitops.cli.online_workspace import online_workspace
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import GitopsError, Rejected
from gitops.core.image_updates import sweep as rules
from gitops.core.image_updates.changes import Change
from gitops.core.image_updates.sweep import SweptService
from gitops.image_updates.batch import ImageSources
from gitops.image_updates.committer import Committer, CommitterParties
from gitops.registry_sweep.sweeper import Sweeper

_STOP_SECONDS = 30.0

Services = Annotated[list[str] | None, typer.Argument(help="Services of pipeline.yaml; all if none is named")]


def sweep(services: Services = None, config: ConfigFile = DEFAULT) -> None:
    """Ask the registries now, and commit newer images as if their webhooks had arrived.

    Exit code 2 = a registry did not answer, or an image could not be committed; the other registries were swept. A
    registry that lockstep.yaml does not have is reported. That is an error only if its service was named.
    """
    with _sweeper(config) as (sweeper, declared):
        wanted = frozenset(services or declared.services)
        known = sweeper.hosts()
        hosts = _hosts(wanted, declared)
        absent = [host for host in hosts if host not in known]
        if services and absent:
            raise Rejected("NotFound", f"{_absent(absent[0])}; say there how it is asked")
        _print(f"{host}: not swept: {_absent(host)}" for host in absent)
        answers = [_sweep_host(sweeper, host, wanted) for host in hosts if host in known]
    raise typer.Exit(0 if all(answers) else 2)


def _sweep_host(sweeper: Sweeper, host: str, wanted: Collection[str]) -> bool:
    """False when the registry did not answer. Images that were found before are committed, so they are printed."""
    try:
        sweeper.sweep(host, wanted, _Printer())
    except GitopsError as error:
        _print([f"{host}: {error.reason}: {error}"])
        return False
    return True


def _absent(host: str) -> str:
    return f"lockstep.yaml has no registries.{host}"


def _hosts(wanted: Collection[str], declared: Pipeline) -> list[str]:
    """The registries of these services. Raises: Rejected(NotFound) for a service that pipeline.yaml does not have."""
    unknown = sorted(set(wanted) - declared.services.keys())
    if unknown:
        names = ", ".join(declared.services) or "none"
        raise Rejected("NotFound", f"pipeline.yaml has no service {', '.join(unknown)}; it has {names}")
    return list(dict.fromkeys(rules.host_of(declared.services[name].image) for name in sorted(wanted)))


@contextmanager
def _sweeper(config: Path) -> Iterator[tuple[Sweeper, Pipeline]]:
    """A sweeper with a committer of its own, which writes by compare-and-swap, as the controller does."""
    with online_workspace(config) as place:
        sources = ImageSources(place.desired)
        committer = Committer(CommitterParties(place.repo, sources, _Quiet(), CLOCK, random.SystemRandom()))
        parties = registry_wiring.SweepParties(committer, place.repo, place.desired, CLOCK)
        sweeper = registry_wiring.sweeper(registry_wiring.registries(place.replica.config), parties)
        committer.start()
        try:
            declared = place.desired.pipeline()
            if declared is None:
                raise place.desired.trouble() or Rejected("InvalidPipeline", "the config repo has no pipeline.yaml")
            yield sweeper, declared
        finally:
            sweeper.close()
            committer.stop(_STOP_SECONDS)


class _Printer:
    """Implements SweepListener of gitops.registry_sweep.sweeper."""

    def found(self, services: Sequence[SweptService]) -> None:
        _print(map(_line, services))


class _Quiet:
    """Implements ports.CommitListener: the command prints what came of each service."""

    def on_commit(self, head: str, changes: Sequence[Change], *, was_blocked: bool) -> None: ...


def _line(found: SweptService) -> str:
    image = f"{found.image.tag} ({found.image.short_digest})" if found.image else "nothing"
    return f"{found.service}: {image}: {found.outcome}"


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
