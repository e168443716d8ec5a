"""`lockstep promote`, `approve`, `rollback`, `hold` and `resume`. Each calls one workflow and prints a sentence."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from gitops.cli import promotion_requests as promotion_commands
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile, load
from gitops.cli.online_workspace import reach
from gitops.cli.promotion_requests import HoldAsk, PromotionAsk, RemoteRepo, RollbackAsk
from gitops.core.errors import Rejected
from gitops.core.parsing import models
from gitops.core.sync.status import PendingRequest

EnvironmentName = Annotated[str, typer.Argument(help="An environment of pipeline.yaml")]
Target = Annotated[str, typer.Argument(help="An environment, or one overlay of it: prod/print-api")]
RepoUrl = Annotated[str, typer.Option("--repo", help="URL of the config repo; by default the one of lockstep.yaml")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept in the config repo")]


def promote(  # noqa: PLR0913 - the arguments of a command are its options
    environment: EnvironmentName,
    services: Annotated[list[str] | None, typer.Argument(help="Promote only the images of these services")] = None,
    *,
    name: Annotated[str, typer.Option(help="The name of the request; by default the time")] = "",
    at: Annotated[str, typer.Option(help="Promote the release that was proven at this commit")] = "",
    skip_gate: Annotated[list[str] | None, typer.Option(help="A gate to skip in an emergency; needs --reason")] = None,
    reason: Why = "",
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign the request; done anyway where approvals are needed")
    ] = False,
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Request a promotion, by pushing a tag: promote/<environment>/<name>."""
    waived = tuple((gate, reason) for gate in skip_gate or ())
    ask = PromotionAsk(environment, tuple(services or ()), waived, name=name, at=at, signed=sign)
    _print(promotion_commands.promote(_remote(repo, config), ask, CLOCK.now()))


def approve(
    environment: EnvironmentName,
    request: Annotated[str, typer.Argument(help="The name of a request that waits")],
    *,
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Approve exactly the release that is shown, by pushing a signed tag."""
    pending = promotion_commands.find(_waiting(environment, config), environment, request)
    for sentence in (*pending.moves, *(f"waits: {gate}" for gate in pending.gates)):
        _print(sentence)
    _print(promotion_commands.approve(_remote(repo, config), environment, pending))


def rollback(  # noqa: PLR0913 - the arguments of a command are its options
    target: Target,
    *,
    to: Annotated[str, typer.Option(help="A commit; by default the release before the current one")] = "",
    waive: Annotated[
        list[str] | None, typer.Option(help="A digest or commit that was never proven, to admit it; needs --reason")
    ] = None,
    reason: Why = "",
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Roll back to an earlier release, exactly as it was, and hold it. Automation does not undo a rollback."""
    if waive and not reason:
        raise Rejected("NoReason", "--waive admits images that were never proven; add --reason")
    back = RollbackAsk(reason or "rolled back", CLOCK.now(), to, tuple(waive or ()))
    _print(promotion_commands.roll_back(_remote(repo, config), target, back))


def hold(  # noqa: PLR0913 - the arguments of a command are its options
    target: Target,
    *,
    reason: Why,
    duration: Annotated[
        str, typer.Option("--for", help="For how long: 90m, 2d; by default until `lockstep resume`")
    ] = "",
    suspend: Annotated[bool, typer.Option("--suspend", help="Also stop applying changes of the config repo")] = False,
    repo: RepoUrl = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Stop automation: no new images and no promotions."""
    now = CLOCK.now()
    until = now + _duration(duration) if duration else None
    _print(promotion_commands.place_hold(_remote(repo, config), target, HoldAsk(reason, now, until, suspend)))


def resume(target: Target, *, repo: RepoUrl = "", config: ConfigFile = DEFAULT) -> None:
    """End a hold. A rolled back release stays until a newer one is promoted."""
    _print(promotion_commands.resume(_remote(repo, config), target))


def _remote(repo: str, config: Path) -> RemoteRepo:
    if repo:
        return RemoteRepo(repo)
    settings = load(config)
    return RemoteRepo(settings.repo.url, settings.repo.trunk)


def _waiting(environment: str, config: Path) -> list[PendingRequest]:
    """The requests that wait for an environment, as stored in the cluster."""
    found = reach(config).ledger.read_all()
    statuses = (status for status, _ in found.values() if status.environment == environment)
    return [pending for status in statuses for pending in status.requests]


def _duration(text: str) -> timedelta:
    try:
        found = models.parse_duration(text)
    except ValueError as error:
        raise Rejected("InvalidDuration", f"{text!r} {error}") from error
    return timedelta(seconds=found.total_seconds())


def _print(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
