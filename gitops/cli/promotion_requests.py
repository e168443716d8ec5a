"""Requests and approves promotions, rolls back, and stops or resumes automation, for a person.

Each is a commit or a tag in the config repo, pushed by the person's own git. So the git host decides what a person may
do, and the controller learns of it as of any other push.
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
    """The config repo and its trunk; an empty trunk = the default branch of the remote."""

    url: str
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class PromotionAsk:
    """A promotion to request. `at` is a commit, empty = the trunk's head. `waived` are pairs of gate and reason."""

    environment: str
    services: tuple[str, ...] = ()
    waived: tuple[tuple[str, str], ...] = ()
    name: str = ""
    at: str = ""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class HoldAsk:
    """The reason and the end of a hold of automation. With `suspend` the controller applies nothing either."""

    why: str
    since: datetime
    until: datetime | None = None
    suspend: bool = False


@dataclass(frozen=True, slots=True)
class RollbackAsk:
    """The reason and the target of a rollback. `to` is a commit, empty = the release before the current one. `waived`
    are digests and commits that were never proven and are admitted for the same reason.
    """

    why: str
    since: datetime
    to: str = ""
    waived: tuple[str, ...] = ()


def promote(remote: RemoteRepo, ask: PromotionAsk, now: datetime) -> str:
    """Pushes the tag of a request; returns a sentence for the person.

    Raises: Rejected when the controller would refuse the request.
    """
    with _clone(remote) as clone:
        environment = clone.environment(ask.environment)
        if environment.promote is None:
            raise Rejected("NoPromotion", f"nothing is promoted to {ask.environment}; see `promote` in pipeline.yaml")
        unknown = sorted(set(ask.services) - set(clone.declared.services))
        if unknown:
            raise Rejected("NotFound", f"pipeline.yaml has no service {', '.join(unknown)}")
        for gate, reason in ask.waived:
            if gate not in set(Gate) or not reason:
                raise Rejected("NoSuchGate", f"--skip-gate takes one of {', '.join(Gate)}, and needs --reason")
        name = f"{requests.PROMOTE}{ask.environment}/{ask.name or _name_at(now)}"
        title = f"Promote {', '.join(ask.services) or 'what is proven'} to {ask.environment}"
        text = requests.message(title, ask.services, dict(ask.waived))
        signed = ask.signed or bool(environment.promote.approvals.count)
        clone.git.tag(name, clone.git.commit_id(ask.at or "HEAD"), text, signed=signed)
    return f"requested by the tag {name}; the page shows what it waits for"


def approve(remote: RemoteRepo, environment: str, pending: PendingRequest) -> str:
    """Pushes a signed tag that approves exactly this release; returns a sentence for the person."""
    with _clone(remote) as clone:
        clone.environment(environment)
        mail = clone.git.identity.rpartition("<")[2].rstrip(">").partition("@")[0]
        who = "".join(letter for letter in mail.lower() if letter.isalnum() or letter in "-_") or "me"
        name = f"{requests.APPROVE}{environment}/{pending.name}/{who}"
        text = requests.approval_message(pending.id, pending.release)
        clone.git.tag(name, clone.git.commit_id("HEAD"), text, signed=True)
    return f"approved by the tag {name}: release {pending.release[:12]} of request {pending.name}"


def roll_back(remote: RemoteRepo, target: str, back: RollbackAsk) -> str:
    """Pushes one commit: an environment, or one overlay of it, as it was before its current release, and a hold.

    Raises: Rejected when there is no earlier release, or when that one was never admitted.
    """
    require_reason(back.why)
    waived = dict.fromkeys(back.waived, back.why)

    def edit(clone: _Clone) -> tuple[Edits, str]:
        overlays = clone.overlays(target)
        edits: Edits = {}
        shown = []
        for overlay in overlays:
            present = clone.states.state(overlay, clone.git.head)
            commit = clone.git.commit_id(back.to) if back.to else clone.previous(overlay, present)
            edits |= rollback.rollback(overlay, present, clone.states.state(overlay, commit), clone.files.read, waived)
            shown.append(f"{overlay.name} to {commit[:12]}")
        hold = Hold(who=clone.git.identity, why=back.why, since=back.since)
        return edits | rollback.hold_edit(clone.directory(target), hold), f"{target}: roll back {', '.join(shown)}"

    return _push_commit(remote, edit, target, back.why)


def place_hold(remote: RemoteRepo, target: str, stop: HoldAsk) -> str:
    """Pushes one commit, after which automation writes nothing for the environment.

    Raises: Rejected(InvalidReason).
    """
    require_reason(stop.why)

    def edit(clone: _Clone) -> tuple[Edits, str]:
        clone.overlays(target)
        hold = Hold(who=clone.git.identity, why=stop.why, since=stop.since, until=stop.until, suspend=stop.suspend)
        return rollback.hold_edit(clone.directory(target), hold), f"{target}: hold"

    return _push_commit(remote, edit, target, stop.why)


def resume(remote: RemoteRepo, target: str) -> str:
    """Pushes one commit that removes the hold. Raises: Rejected(NotHeld)."""

    def edit(clone: _Clone) -> tuple[Edits, str]:
        overlays = clone.overlays(target)
        states = {overlay.name: clone.states.state(overlay, clone.git.head) for overlay in overlays}
        return rollback.resume(target, overlays, states), f"{target}: resume"

    return _push_commit(remote, edit, target, "")


def find(pending: Sequence[PendingRequest], environment: str, name: str) -> PendingRequest:
    """The request of this name. Raises: Rejected(NotFound) with the names of the requests that wait."""
    for found in pending:
        if found.name == name:
            return found
    known = ", ".join(sorted({found.name for found in pending})) or "none"
    raise Rejected("NotFound", f"no request {name} waits for {environment}; these wait: {known}")


@dataclass(frozen=True, slots=True)
class _Clone:
    """A clone for one command, and its pipeline.yaml."""

    git: UserGit
    files: WorkTree
    declared: Pipeline

    def environment(self, name: str) -> environments.Environment:
        if name not in self.declared.environments:
            raise Rejected(
                "NotFound", f"pipeline.yaml has no environment {name}; it has {', '.join(self.declared.order)}"
            )
        return self.declared.environments[name]

    def overlays(self, target: str) -> tuple[Overlay, ...]:
        """The overlays of an environment, or the one overlay of that name."""
        found = layout.overlays(self.declared, self.files.tree(self.git.head))
        own = tuple(each for each in found if target in {each.name, each.environment} and not each.is_platform)
        if not own:
            names = ", ".join(each.name for each in found if not each.is_platform)
            raise Rejected("NotFound", f"no environment or overlay is called {target}; overlays are {names}")
        return own

    def directory(self, target: str) -> str:
        return f"{ENVIRONMENTS}/{target}"

    @property
    def states(self) -> PastOverlays:
        return PastOverlays(self.declared, self.files, KnownFirstCommits(self.files.first_releases(self.git.head)))

    def previous(self, overlay: Overlay, now: OverlayState) -> str:
        """Raises: Rejected(NothingBefore)."""
        return self.states.previous(overlay, now, self.git.log(self.states.path(overlay, now)))


@contextmanager
def _clone(remote: RemoteRepo) -> Iterator[_Clone]:
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        git = UserGit(remote.url, Path(scratch) / "clone", os.environ, remote.trunk)  # noqa: TID251 - handed on
        files = WorkTree(git.directory, {})
        blob = files.tree(git.head).get(pipeline.FILE)
        if blob is None:
            raise Rejected("NoPipeline", f"{remote.url} has no {pipeline.FILE}")
        yield _Clone(git, files, pipeline.parse(files.read(blob.id)))


def _push_commit(remote: RemoteRepo, edit: Callable[[_Clone], tuple[Edits, str]], target: str, why: str) -> str:
    """Edits the newest head; after a lost race, edits the new head again."""
    for attempt in range(_TRIES):
        with _clone(remote) as clone:
            edits, subject = edit(clone)
            try:
                commit = clone.git.push(edits, rollback.message(subject, target.partition("/")[0], why))
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
            else:
                return f"{subject}, commit {commit[:12]}"
    raise Conflict("TrunkMoved", "the trunk keeps moving; try again")


def _name_at(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
