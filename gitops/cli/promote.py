"""`lockstep promote`, `approve`, `rollback`, `hold` and `resume`: options in, one workflow, a sentence out."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from gitops.app import wiring as assembly
from gitops.app.wiring import Replica
from gitops.cli import promotion_requests as promotion_commands
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile, load
from gitops.cli.promotion_requests import HoldAsk, PromotionAsk, RemoteRepo, RollbackAsk
from gitops.core.errors import Rejected
from gitops.core.parsing import models
from gitops.core.sync.status import PendingRequest

EnvironmentName = Annotated[str, typer.Argument(help="An environment of pipeline.yaml")]
Target = Annotated[str, typer.Argument(help="An environment, or one overlay of it: prod/print-api")]
RepoUrl = Annotated[str, typer.Option("--repo", help="The config repo; by default that of lockstep.yaml")]
Why = Annotated[str, typer.Option("--reason", help="For everybody who wonders later")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def promote(  # noqa: PLR0913 - the arguments of a command are its options
    environment: EnvironmentName,
    services: Annotated[list[str] | None, typer.Argument(help="Only these, and only their images")] = None,
    *,
    name: Annotated[str, typer.Option(help="What the request is called; by default the time")] = "",
    at: Annotated[str, typer.Option(help="Promote what was proven at this commit")] = "",
    skip_gate: Annotated[list[str] | None, typer.Option(help="A gate to pass in an emergency")] = None,
    reason: Why = "",
    sign: Annotated[bool, typer.Option("--sign", help="Sign the request, as approvals need it")] = False,
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Ask for a promotion, by pushing a tag: promote/<environment>/<name>."""
    waived = tuple((gate, reason) for gate in skip_gate or ())
    ask = PromotionAsk(environment, tuple(services or ()), waived, name=name, at=at, signed=sign)
    _say(promotion_commands.promote(_where(repo, config), ask, CLOCK.now()))


@app.command()
def approve(
    environment: EnvironmentName,
    request: Annotated[str, typer.Argument(help="The name of a request that waits")],
    *,
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Approve a request, by pushing a signed tag. What it will change is shown, and nothing else is approved by it."""
    pending = promotion_commands.find(_waiting(environment, config), environment, request)
    for sentence in (*pending.moves, *(f"waits: {gate}" for gate in pending.gates)):
        _say(sentence)
    _say(promotion_commands.approve(_where(repo, config), environment, pending))


@app.command()
def rollback(  # noqa: PLR0913 - the arguments of a command are its options
    target: Target,
    *,
    to: Annotated[str, typer.Option(help="A commit; by default the release before the present one")] = "",
    waive: Annotated[list[str] | None, typer.Option(help="A digest or commit of it that was never proven")] = None,
    reason: Why = "",
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Go back to an earlier release, exactly as it was, and hold it there. Automation never undoes that."""
    if waive and not reason:
        raise Rejected("NoReason", "to let in what was never proven takes --reason")
    back = RollbackAsk(reason or "rolled back", CLOCK.now(), to, tuple(waive or ()))
    _say(promotion_commands.roll_back(_where(repo, config), target, back))


@app.command()
def hold(  # noqa: PLR0913 - the arguments of a command are its options
    target: Target,
    *,
    reason: Why,
    duration: Annotated[str, typer.Option("--for", help="How long: 90m, 2d; by default until `lockstep resume`")] = "",
    suspend: Annotated[bool, typer.Option("--suspend", help="Stop applying what git says, too")] = False,
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Stop automation: no new images, no promotions."""
    now = CLOCK.now()
    until = now + _duration(duration) if duration else None
    _say(promotion_commands.place_hold(_where(repo, config), target, HoldAsk(reason, now, until, suspend)))


@app.command()
def resume(target: Target, *, repo: RepoUrl = "", config: ConfigFile = DEFAULT) -> None:
    """End a hold. What was rolled back stays where it is until something newer comes."""
    _say(promotion_commands.resume(_where(repo, config), target))


def _where(repo: str, config: Path) -> RemoteRepo:
    if repo:
        return RemoteRepo(repo)
    settings = load(config)
    return RemoteRepo(settings.repo.url, settings.repo.trunk)


def _waiting(environment: str, config: Path) -> list[PendingRequest]:
    """The requests for an environment, as the cluster's ledger has them."""
    settings = load(config)
    found = assembly.reach(Replica(settings, CLOCK), assembly.connect(settings)).ledger.read_all()
    statuses = (status for status, _ in found.values() if status.environment == environment)
    return [pending for status in statuses for pending in status.requests]


def _duration(text: str) -> timedelta:
    try:
        found = models.parse_duration(text)
    except ValueError as error:
        raise Rejected("InvalidDuration", f"{text!r} {error}") from error
    return timedelta(seconds=found.total_seconds())


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
