"""Promotions: reads proofs, releases and tags, decides, and commits what may move. Nothing is remembered that git and
the ledger do not tell again, so it may be stopped at any line.

It writes as the committer does, by compare-and-swap on the trunk's head; a lost race is decided again. What would be
pushed is composed and rendered first, as if it were the trunk already.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from gitops.core import promotion, promotion_commits, requests
from gitops.core.changes import one_line
from gitops.core.errors import Rejected
from gitops.core.pipeline import Pipeline, Promote, SyncMode
from gitops.core.promotion import Move, Proposal, Shut, Terms
from gitops.core.promotion_commits import Promotion
from gitops.core.release import Hold
from gitops.core.requests import Refused, Request, Tag
from gitops.core.schema import duration_text
from gitops.core.status import Account, PendingRequest
from gitops.desired import DesiredState
from gitops.keeper import Keeper
from gitops.ports import ConfigRepo
from gitops.retreat import Retreats
from gitops.stage import Stage, Stages
from gitops.witness import Witness
from gitops.writer import Judgement, Writer

_log = structlog.get_logger(__name__)

_MOST_COMMITS = 1000
_FUTURE = timedelta(minutes=5)
_SOON, _LATE = 1.0, 30.0
"""Seconds between two looks at what soaks; below proof.LONGEST_GAP, so that they add up."""


@dataclass(frozen=True, slots=True)
class Parties:
    """`judge` tells what the contract forbids at a commit that changes these overlays, by overlay, in sentences.
    `account` is what the ledger knows of one. `on_promotion(head)` is called after each push, `on_head(overlays)` with
    those that a new head may have changed, `on_news(overlays)` when what is said about them has changed.
    """

    repo: ConfigRepo
    desired: DesiredState
    witness: Witness
    now: Callable[[], datetime]
    may_write: Callable[[], bool]
    account: Callable[[str], Account | None]
    judge: Judgement
    on_head: Callable[[frozenset[str]], None]
    on_promotion: Callable[[str], None]
    on_news: Callable[[frozenset[str]], None]


@dataclass(frozen=True, slots=True)
class Said:
    """What the page shows of an overlay: sentences, and the requests that wait."""

    waiting: tuple[str, ...] = ()
    requests: tuple[PendingRequest, ...] = ()


@dataclass(slots=True)
class _Memory:
    tags: tuple[Tag, ...] = ()
    done: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)


@dataclass(slots=True)
class _Notes:
    """What one look at an environment found out, by overlay."""

    waiting: dict[str, list[str]] = field(default_factory=dict)
    requests: dict[str, list[PendingRequest]] = field(default_factory=dict)

    def say(self, overlays: Sequence[str], *sentences: str) -> None:
        for overlay in overlays:
            known = self.waiting.setdefault(overlay, [])
            known += [sentence for sentence in sentences if sentence not in known]


class Promoter:
    """`look` is called by one thread at a time, the others by any."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self._stages = Stages(parties.repo, parties.desired, parties.witness)
        self._keeper = Keeper(parties.repo, parties.desired)
        self._retreats = Retreats(parties.repo, parties.account)
        self._writer = Writer(parties.repo, parties.desired, parties.judge, parties.on_head)
        self._memory = _Memory()
        self._said: dict[str, Said] = {}
        self._lock = threading.Lock()

    def said(self, overlay: str) -> tuple[tuple[str, ...], tuple[PendingRequest, ...]]:
        """What waits for the overlay, in sentences, and the requests that do."""
        with self._lock:
            found = self._said.get(overlay, Said())
        return found.waiting, found.requests

    def read_tags(self) -> None:
        """Asks the remote for the tags of requests and approvals, when an environment can be promoted to at all."""
        declared = self._parties.desired.pipeline()
        if declared is not None and any(found.promote for found in declared.environments.values()):
            self._memory.tags = tuple(self._parties.repo.tags([requests.PROMOTE, requests.APPROVE]))

    def look(self) -> float | None:
        """One look at every environment; returns after how many seconds the next one is worth it.

        Raises: Conflict when the trunk moved meanwhile, Unavailable.
        """
        declared = self._parties.desired.pipeline()
        if declared is None or self._parties.desired.trouble() is not None or not self._parties.may_write():
            return None
        self._parties.witness.look_again()
        said: dict[str, Said] = {}
        moved = False
        for name in declared.order:
            if declared.environments[name].promote is not None:
                notes = _Notes()
                moved = self._environment(declared, name, notes) or moved
                said |= _gathered(notes)
        self._publish(said)
        self._keeper.keep()
        return 0.0 if moved else (_SOON if self._is_young(declared) else _LATE)

    def _is_young(self, declared: Pipeline) -> bool:
        """True while something soaks that is over soon."""
        soaks = [found.promote.soak for found in declared.environments.values() if found.promote]
        return any(timedelta(0) < soak <= timedelta(seconds=60) for soak in soaks)

    def _publish(self, said: dict[str, Said]) -> None:
        with self._lock:
            before, self._said = self._said, said
        changed = frozenset(
            name for name in before.keys() | said.keys() if before.get(name, Said()) != said.get(name, Said())
        )
        if changed:
            self._parties.on_news(changed)

    # -- one environment

    def _environment(self, declared: Pipeline, name: str, notes: _Notes) -> bool:
        """True when something was committed."""
        overlays = [each.name for each in self._parties.desired.overlays().values() if each.environment == name]
        if declared.environments[name].sync.mode is SyncMode.OBSERVE:
            notes.say(overlays, "observe mode: nothing is promoted (sync.mode: observe)")
            return False
        try:
            stage = self._stages.of(declared, name)
            if any(self._taken_back(declared, stage, overlay, notes) for overlay in overlays):
                return True
            asked = self._asked(declared, name, notes, overlays)
            return any(self._requested(stage, each, notes) for each in asked) or self._automatic(stage, notes)
        except Rejected as error:
            notes.say(overlays, f"nothing can be promoted: {error}")
            return False

    def _asked(self, declared: Pipeline, name: str, notes: _Notes, overlays: Sequence[str]) -> list[Request]:
        """Requests that are neither done nor expired, the oldest first."""
        now, done = self._parties.now(), self._done(name)
        found = []
        for tag in self._memory.tags:
            if not tag.name.startswith(f"{requests.PROMOTE}{name}/") or tag.id in done:
                continue
            asked = requests.read(tag, declared.services)
            if isinstance(asked, Refused):
                notes.say(overlays, f"refused: {asked.message}")
            elif asked.asked_at > now + _FUTURE:
                notes.say(overlays, f"refused: tag {one_line(tag.name)}: its date lies in the future")
            elif not asked.is_expired(now, declared.request.ttl):
                found.append(asked)
        return sorted(found, key=lambda each: each.asked_at)

    def _done(self, name: str) -> frozenset[str]:
        head = self._parties.repo.head()
        known = self._memory.done.get(name)
        if known is None or known[0] != head:
            history = self._parties.repo.history(f"environments/{name}", _MOST_COMMITS)
            ids = frozenset(commit.trailers.get(promotion_commits.REQUEST_TRAILER, "") for commit in history)
            self._memory.done[name] = known = (head, ids)
        return known[1]

    def _automatic(self, stage: Stage, notes: _Notes) -> bool:
        """What may move without anybody asking for it."""
        proposals = {name: self._proposed(stage, name) for name in stage.targets}
        moves = []
        for name, proposal in proposals.items():
            notes.say([name], *proposal.behind, *proposal.obstacles)
            move = self._own_accord(stage, name, proposal, notes)
            hold = stage.holds[name]
            shut = [gate for gate in _gates(stage, self._parties.now(), hold, None, {}) if move and not move.is_empty]
            notes.say([name], *(f"{_summary(stage, move)}: {gate.message}" for gate in shut if move))
            if move and not move.is_empty and not shut and not proposal.obstacles:
                moves.append(move)
        if not moves:
            return False
        asked = "" if stage.promote.when == "proven" else "committed on the trunk, "
        cause = f"{asked}proven in {stage.source.environment} for {duration_text(stage.promote.soak)}"
        made = Promotion(stage.name, stage.source.environment, tuple(moves), _hash(stage, moves), cause)
        return self._commit(stage, made, notes)

    def _proposed(self, stage: Stage, name: str) -> Proposal:
        """What is proven; where that waits to be asked for, what a person's commit asks for, if there is one."""
        target, terms = stage.targets[name], Terms(stage.promote.soak)
        if stage.promote.when == "requested":
            digests = self._stages.asked_by_commit(stage, name)
            asked = promotion.by_hand(stage.source, target, terms, digests)
            if asked is not None:
                return asked
        return promotion.propose(stage.source, target, terms)

    def _own_accord(self, stage: Stage, name: str, proposal: Proposal, notes: _Notes) -> Move | None:
        """The move that automation may make of a proposal; says what else would wait for a request."""
        move, target = proposal.move, stage.targets[name]
        is_release = bool(move.images or move.moves_base)
        if is_release and (stage.promote.when == "proven" or proposal.is_asked):
            return move
        if is_release and not notes.requests.get(name):
            ask = f"asked for by the tag {requests.PROMOTE}{stage.name}/<name> (`lockstep promote {stage.name}`)"
            notes.say([name], f"{_summary(stage, move)}: proven in {stage.source.environment}, waits to be {ask}")
        follows = target.pending and stage.settings_follow and target.written == target.locked
        return promotion.settings_alone(target) if follows else None

    def _requested(self, stage: Stage, asked: Request, notes: _Notes) -> bool:
        """One request: written when all its gates are open, else shown with those that are not."""
        terms = self._stages.terms(stage, asked)
        proposals = {name: promotion.propose(stage.source, stage.targets[name], terms) for name in stage.targets}
        moves = [proposal.move for proposal in proposals.values() if not proposal.move.is_empty]
        unmet = [sentence for proposal in proposals.values() for sentence in proposal.obstacles]
        missing = asked.services - {service for move in moves for service in move.images}
        if missing or not moves:
            unmet += [sentence for proposal in proposals.values() for sentence in proposal.behind]
            unmet += [f"{service}: nothing newer to promote" for service in sorted(missing) if not unmet]
        release = _hash(stage, moves)
        approvers = self._approvers(asked, release)
        approved = len(approvers) if asked.signer is not None else 0
        holds = {gate.message: gate for name in stage.targets
                 for gate in _gates(stage, self._parties.now(), stage.holds[name], approved, asked.waived)}  # fmt: skip
        unmet += list(holds)
        if stage.promote.approvals.count and asked.signer is None:
            unmet.append("the request itself must be signed, so that nobody approves what they asked for")
        if unmet or not moves:
            self._pend(stage, asked, (moves, release), unmet or ["nothing newer to promote"], notes)
            return False
        made = Promotion(
            environment=stage.name,
            source=stage.source.environment,
            moves=tuple(moves),
            release=release,
            cause=f"tag {requests.PROMOTE}{stage.name}/{asked.name}",
            request=asked.id,
            waived=asked.waived,
            approvers=approvers,
        )
        return self._commit(stage, made, notes)

    def _approvers(self, asked: Request, release: str) -> frozenset[str]:
        prefix = f"{requests.APPROVE}{asked.environment}/{asked.name}/"
        given = (requests.approval(tag) for tag in self._memory.tags if tag.name.startswith(prefix))
        return requests.approvers(asked, release, [each for each in given if each is not None])

    def _pend(
        self, stage: Stage, asked: Request, content: tuple[Sequence[Move], str], unmet: Sequence[str], notes: _Notes
    ) -> None:
        moves, release = content
        shown = PendingRequest(
            name=asked.name,
            id=asked.id,
            release=release,
            moves=tuple(map(_words, moves)),
            gates=tuple(dict.fromkeys(unmet)),
            asked_by=one_line(asked.signer or asked.tagger),
            asked_at=asked.asked_at,
            is_signed=asked.signer is not None,
            waived=dict(asked.waived),
        )
        for name in stage.targets:
            notes.requests.setdefault(name, []).append(shown)
        notes.say(list(stage.targets), f"request {asked.name} waits: {'; '.join(shown.gates)}")

    def _taken_back(self, declared: Pipeline, stage: Stage, name: str, notes: _Notes) -> bool:
        """A promotion that made the overlay Degraded is taken back, unless automation is held."""
        hold, now = stage.holds[name], self._parties.now()
        if hold is not None and hold.holds(now):
            return False

        def written() -> str:
            commit = self._retreats.of(declared, stage.overlays[name], stage.head, now)
            return self._writer.rollback(stage, name, commit) if commit else ""

        revision, refused = self._writer.good(stage, f"rollback of {name}", written)
        if refused:
            notes.say([name], f"degraded, and not rolled back: {refused}")
        if revision:
            self._parties.on_promotion(self._writer.push(stage.head, revision))
            _log.warning("rolled back by itself", overlay=name, revision=revision)
        return bool(revision)

    def _commit(self, stage: Stage, made: Promotion, notes: _Notes) -> bool:
        now = self._parties.now()
        revision, refused = self._writer.good(stage, made.release, lambda: self._writer.promotion(stage, made, now))
        if refused:
            notes.say(
                [move.overlay for move in made.moves], f"not promoted, since the result would be wrong: {refused}"
            )
            return False
        self._parties.on_promotion(self._writer.push(stage.head, revision))
        _log.info("promoted", environment=made.environment, revision=revision, cause=made.cause)
        return True


def _gates(
    stage: Stage, now: datetime, hold: Hold | None, approved: int | None, waived: Mapping[str, str]
) -> tuple[Shut, ...]:
    promote: Promote = stage.promote
    return promotion.gates(promote, now, hold=hold, approved=approved, waived=waived)


def _hash(stage: Stage, moves: Sequence[Move]) -> str:
    return promotion.release_hash(stage.name, moves)


def _summary(stage: Stage, move: Move) -> str:
    shown = Promotion(stage.name, stage.source.environment, (move,), "", "")
    return promotion_commits.subject(shown).partition(": ")[2].rpartition(" from ")[0] or "settings of the trunk"


def _words(move: Move) -> str:
    parts = [f"{service} {image.tag or image.short_digest}" for service, image in sorted(move.images.items())]
    parts += [f"base {move.base[:12]}"] if move.moves_base else []
    parts += ["settings of the trunk"] if move.moves_settings else []
    return f"{move.overlay}: {', '.join(parts)}"


def _gathered(notes: _Notes) -> dict[str, Said]:
    names = notes.waiting.keys() | notes.requests.keys()
    return {name: Said(tuple(notes.waiting.get(name, ())), tuple(notes.requests.get(name, ()))) for name in names}
