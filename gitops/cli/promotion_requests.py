"""The commands by which people ask for a promotion, approve one, go back, and stop or resume automation.

Each is a commit or a tag in the config repo, made and pushed by the person's own git: what they may do is what the git
host lets them do, and the controller hears of it as of any other push.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops.adapters.git.user_git import UserGit
from gitops.adapters.git.work_tree import WorkTree
from gitops.core.config_repo import environments, layout, pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import ENVIRONMENTS, Pipeline
from gitops.core.config_repo.release import Hold, require_reason
from gitops.core.errors import Conflict, Rejected
from gitops.core.promotion import requests, rollback
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.rollback import Edits, OverlayState
from gitops.core.sync.status import PendingRequest
from gitops.promotion.past_overlays import KnownFirstCommits, PastOverlays

_TRIES = 3


@dataclass(frozen=True, slots=True)
class RemoteRepo:
    """The config repo, and the trunk; empty = the branch that the remote names as its own."""

    url: str
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class PromotionAsk:
    """What a promotion is to be. `at`: a commit; empty = the trunk's head. `waived`: gate -> reason."""

    environment: str
    services: tuple[str, ...] = ()
    waived: tuple[tuple[str, str], ...] = ()
    name: str = ""
    at: str = ""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class HoldAsk:
    """Why automation is to stop, from when until when; `suspend`: applying too."""

    why: str
    since: datetime
    until: datetime | None = None
    suspend: bool = False


@dataclass(frozen=True, slots=True)
class RollbackAsk:
    """Why to go back, and when that was said. `to`: a commit; empty = the release before the present one. `waived`:
    digests and commits that nobody has proven, to be let in for the same reason.
    """

    why: str
    since: datetime
    to: str = ""
    waived: tuple[str, ...] = ()


def promote(where: RemoteRepo, ask: PromotionAsk, now: datetime) -> str:
    """Pushes the tag that asks; returns what was done, in a sentence.

    Raises: Rejected when the request could never be heard.
    """
    with _desk(where) as desk:
        environment = desk.environment(ask.environment)
        if environment.promote is None:
            raise Rejected("NoPromotion", f"nothing is promoted to {ask.environment}; see `promote` in pipeline.yaml")
        unknown = sorted(set(ask.services) - set(desk.declared.services))
        if unknown:
            raise Rejected("NotFound", f"no service is called {', '.join(unknown)}")
        for gate, reason in ask.waived:
            if gate not in set(Gate) or not reason:
                raise Rejected("NoSuchGate", f"gates are {', '.join(Gate)}, and to skip one takes --reason")
        name = f"{requests.PROMOTE}{ask.environment}/{ask.name or _unique(now)}"
        title = f"Promote {', '.join(ask.services) or 'what is proven'} to {ask.environment}"
        text = requests.message(title, ask.services, dict(ask.waived))
        signed = ask.signed or bool(environment.promote.approvals.count)
        desk.git.tag(name, desk.git.commit_id(ask.at or "HEAD"), text, signed=signed)
    return f"asked by the tag {name}; the page says what it waits for"


def approve(where: RemoteRepo, environment: str, pending: PendingRequest) -> str:
    """Pushes a signed tag that approves exactly this release."""
    with _desk(where) as desk:
        desk.environment(environment)
        mail = desk.git.identity.rpartition("<")[2].rstrip(">").partition("@")[0]
        who = "".join(letter for letter in mail.lower() if letter.isalnum() or letter in "-_") or "me"
        name = f"{requests.APPROVE}{environment}/{pending.name}/{who}"
        text = requests.approval_message(pending.id, pending.release)
        desk.git.tag(name, desk.git.commit_id("HEAD"), text, signed=True)
    return f"approved by the tag {name}: release {pending.release[:12]} of request {pending.name}"


def roll_back(where: RemoteRepo, target: str, back: RollbackAsk) -> str:
    """One commit: an environment, or one overlay of it, as it was before its present release, and a hold.

    Raises: Rejected when there is nothing to go back to, or nobody had let it in.
    """
    require_reason(back.why)
    waived = dict.fromkeys(back.waived, back.why)

    def edit(desk: _Desk) -> tuple[Edits, str]:
        places = desk.places(target)
        edits: Edits = {}
        shown = []
        for place in places:
            present = desk.states.state(place, desk.git.head)
            commit = desk.git.commit_id(back.to) if back.to else desk.previous(place, present)
            edits |= rollback.rollback(place, present, desk.states.state(place, commit), desk.files.read, waived)
            shown.append(f"{place.name} to {commit[:12]}")
        hold = Hold(who=desk.git.identity, why=back.why, since=back.since)
        return edits | rollback.hold_edit(desk.directory(target), hold), f"{target}: roll back {', '.join(shown)}"

    return _committed(where, edit, target, back.why)


def place_hold(where: RemoteRepo, target: str, stop: HoldAsk) -> str:
    """One commit: automation writes nothing for the environment; with `suspend` nothing is applied either.

    Raises: Rejected(InvalidReason).
    """
    require_reason(stop.why)

    def edit(desk: _Desk) -> tuple[Edits, str]:
        desk.places(target)
        hold = Hold(who=desk.git.identity, why=stop.why, since=stop.since, until=stop.until, suspend=stop.suspend)
        return rollback.hold_edit(desk.directory(target), hold), f"{target}: hold"

    return _committed(where, edit, target, stop.why)


def resume(where: RemoteRepo, target: str) -> str:
    """One commit: the hold is gone. Raises: Rejected(NotHeld)."""

    def edit(desk: _Desk) -> tuple[Edits, str]:
        places = desk.places(target)
        states = {place.name: desk.states.state(place, desk.git.head) for place in places}
        return rollback.resume(target, places, states), f"{target}: resume"

    return _committed(where, edit, target, "")


def find(pending: Sequence[PendingRequest], environment: str, name: str) -> PendingRequest:
    """Raises: Rejected(NotFound) naming the requests that do wait."""
    for found in pending:
        if found.name == name:
            return found
    known = ", ".join(sorted({found.name for found in pending})) or "none"
    raise Rejected("NotFound", f"no request {name} waits for {environment}; there is {known}")


@dataclass(frozen=True, slots=True)
class _Desk:
    """A clone to work in, and what its pipeline.yaml says."""

    git: UserGit
    files: WorkTree
    declared: Pipeline

    def environment(self, name: str) -> environments.Environment:
        if name not in self.declared.environments:
            raise Rejected("NotFound", f"no environment is called {name}; there is {', '.join(self.declared.order)}")
        return self.declared.environments[name]

    def places(self, target: str) -> tuple[Overlay, ...]:
        """The overlays of an environment, or the one overlay of that name."""
        found = layout.overlays(self.declared, self.files.tree(self.git.head))
        own = tuple(each for each in found if target in {each.name, each.environment} and not each.is_platform)
        if not own:
            names = ", ".join(each.name for each in found if not each.is_platform)
            raise Rejected("NotFound", f"no environment or overlay is called {target}; there is {names}")
        return own

    def directory(self, target: str) -> str:
        return f"{ENVIRONMENTS}/{target}"

    @property
    def states(self) -> PastOverlays:
        return PastOverlays(self.declared, self.files, KnownFirstCommits(self.files.first_releases(self.git.head)))

    def previous(self, place: Overlay, now: OverlayState) -> str:
        """Raises: Rejected(NothingBefore)."""
        return self.states.previous(place, now, self.git.log(self.states.path(place, now)))


@contextmanager
def _desk(where: RemoteRepo) -> Iterator[_Desk]:
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        git = UserGit(where.url, Path(scratch) / "clone", os.environ, where.trunk)  # noqa: TID251 - handed on
        files = WorkTree(git.directory, {})
        blob = files.tree(git.head).get(pipeline.FILE)
        if blob is None:
            raise Rejected("NoPipeline", f"{where.url} has no {pipeline.FILE}")
        yield _Desk(git, files, pipeline.parse(files.read(blob.id)))


def _committed(where: RemoteRepo, edit: Callable[[_Desk], tuple[Edits, str]], target: str, why: str) -> str:
    """Edits the newest head; somebody who is faster only means to look again."""
    for attempt in range(_TRIES):
        with _desk(where) as desk:
            edits, subject = edit(desk)
            try:
                commit = desk.git.push(edits, rollback.message(subject, target.partition("/")[0], why))
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
            else:
                return f"{subject}, commit {commit[:12]}"
    raise Conflict("TrunkMoved", "the trunk keeps moving; try again")


def _unique(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
