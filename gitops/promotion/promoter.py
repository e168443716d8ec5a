"""Promotions: reads proofs, releases and tags, decides, and commits what may move. Nothing is remembered that git and
the ledger do not tell again, so it may be stopped at any line.

It writes as the committer does, by compare-and-swap on the trunk's head; a lost race is decided again. What would be
pushed is composed and rendered first, as if it were the trunk already.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from gitops.core.config_repo.environments import SyncMode
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Conflict, Rejected
from gitops.core.promotion import proposal as promotion
from gitops.core.promotion import requests
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.proposal import OverlayMove, PromotionTerms, Proposal
from gitops.core.promotion.requests import PromotionRequest
from gitops.core.sync.status import Account, PendingNote
from gitops.desired.desired_state import DesiredState
from gitops.ports import ConfigRepo, PromotionListener
from gitops.promotion.attempt import PromotionAttempt, PushBackoff
from gitops.promotion.auto_rollback import AutoRollback
from gitops.promotion.commit_writer import ContractCheck, PromotionWriter
from gitops.promotion.gate_check import GateCheck, ImageQueries
from gitops.promotion.pending import PendingNotes, PublishedNotes
from gitops.promotion.proof_recorder import ProofRecorder
from gitops.promotion.release_refs import ReleaseRefs
from gitops.promotion.request_tags import RequestTags
from gitops.promotion.snapshot import EnvironmentSnapshot, EnvironmentSnapshots
from gitops.promotion.summaries import of_its_own_accord, pending, release_hash, summary

_log = structlog.get_logger(__name__)

_SOON, _LATE = 1.0, 30.0
"""Seconds between two looks at what soaks; below proof.LONGEST_GAP, so that they add up."""


@dataclass(frozen=True, slots=True)
class PromoterParties:
    """`judge` tells what the contract forbids at a commit that changes these overlays, by overlay, in sentences.
    `skippable` are the gates that a request may skip by name, `account` is what the ledger knows of an overlay.
    `notes` takes what waits for each overlay, for the passes to show.
    """

    repo: ConfigRepo
    desired: DesiredState
    witness: ProofRecorder
    now: Callable[[], datetime]
    may_write: Callable[[], bool]
    skippable: Collection[Gate]
    account: Callable[[str], Account | None]
    judge: ContractCheck
    registries: ImageQueries
    notes: PublishedNotes
    listener: PromotionListener


@dataclass(slots=True)
class _Term:
    """`term`: the witness's, of the look that is under way. `unwelcome`: why the remote does not take promotions on top
    of `head`, by content hash.
    """

    term: int | None = None
    head: str = ""
    unwelcome: dict[str, PushBackoff] = field(default_factory=dict)


class Promoter:
    """`look` is called by one thread at a time, the others by any."""

    def __init__(self, parties: PromoterParties) -> None:
        self._parties = parties
        self._stages = EnvironmentSnapshots(parties.repo, parties.desired, parties.witness)
        self._keeper = ReleaseRefs(parties.repo, parties.desired)
        self._retreats = AutoRollback(parties.repo, parties.account)
        self._writer = PromotionWriter(parties.repo, parties.desired, parties.judge, parties.listener)
        self._tagged = RequestTags(parties.repo, parties.skippable, parties.now)
        self._gatekeeper = GateCheck(parties.registries, parties.now)
        self._memory = _Term()

    def read_tags(self) -> None:
        """Asks the remote for the tags of requests and approvals, when an environment can be promoted to at all."""
        declared = self._parties.desired.pipeline()
        if declared is not None and any(found.promote for found in declared.environments.values()):
            self._tagged.read()

    def look(self) -> float | None:
        """One look at every environment; returns after how many seconds the next one is worth it.

        Raises: Conflict when the trunk moved meanwhile, Unavailable.
        """
        declared = self._parties.desired.pipeline()
        self._memory.term = self._parties.witness.term
        if declared is None or self._parties.desired.trouble() is not None or not self._leads():
            return None
        self._parties.witness.keep_only(self._parties.desired.overlays().keys())
        self._gatekeeper.begin()
        notes = PendingNotes()
        moved = False
        for name in declared.order:
            if declared.environments[name].promote is not None:
                self._parties.witness.look_again()  # however long this takes: what is not looked at does not soak
                moved = self._environment(declared, name, notes) or moved
        self._hear_strays(declared, notes)
        self._publish(notes.said())
        self._keeper.keep()
        return 0.0 if moved else (_SOON if self._is_young(declared) else _LATE)

    def _leads(self) -> bool:
        """True for as long as this replica leads in the term in which the look began: its proofs are the newest."""
        term = self._memory.term
        return self._parties.may_write() and term is not None and term == self._parties.witness.term

    def _is_young(self, declared: Pipeline) -> bool:
        """True while something soaks that is over soon."""
        soaks = [found.promote.soak for found in declared.environments.values() if found.promote]
        return any(timedelta(0) < soak <= timedelta(seconds=60) for soak in soaks)

    def _publish(self, said: dict[str, PendingNote]) -> None:
        changed = self._parties.notes.publish(said)
        if changed:
            self._parties.listener.notes_changed(changed)

    # -- one environment

    def _environment(self, declared: Pipeline, name: str, notes: PendingNotes) -> bool:
        """True when something was committed."""
        if declared.environments[name].sync.mode is SyncMode.OBSERVE:
            notes.say(self._overlays_of(name), "observe mode: nothing is promoted (sync.mode: observe)")
            return False
        try:
            stage = self._stages.of(declared, name)
            for overlay, trouble in stage.troubles.items():
                notes.say([overlay], f"nothing can be promoted: {trouble}")
            if any(self._taken_back(declared, stage, overlay, notes) for overlay in stage.targets):
                return True
            asked, refused = self._tagged.requests(declared, name)
            notes.refuse(self._overlays_of(name), refused)
            return any(self._requested(stage, each, notes) for each in asked) or self._automatic(stage, notes)
        except Rejected as error:
            notes.say(self._overlays_of(name), f"nothing can be promoted: {error}")
            return False

    def _hear_strays(self, declared: Pipeline, notes: PendingNotes) -> None:
        """Requests for what nothing is promoted to: said wherever something is, since nobody looks elsewhere."""
        strays = self._tagged.strays(declared)
        for name, environment in declared.environments.items():
            if environment.promote is not None:
                notes.refuse(self._overlays_of(name), strays)

    def _overlays_of(self, environment: str) -> list[str]:
        return [each.name for each in self._parties.desired.overlays().values() if each.environment == environment]

    def _automatic(self, stage: EnvironmentSnapshot, notes: PendingNotes) -> bool:
        """What may move without anybody asking for it."""
        self._gatekeeper.foresee(stage)
        proposals = {name: self._proposed(stage, name) for name in stage.targets}
        moves = []
        for name, proposal in proposals.items():
            notes.say([name], *proposal.behind, *proposal.obstacles)
            move = self._own_accord(stage, name, proposal, notes)
            if move is None or move.is_empty:
                continue
            shut = self._gatekeeper.shut(stage, move)
            notes.say([name], *(f"{summary(stage, move)}: {gate.message}" for gate in shut))
            if not shut and not proposal.obstacles:
                moves.append(move)
        if not moves:
            return False
        attempt = self._attempted(stage, of_its_own_accord(stage, moves))
        if attempt.refused and len(moves) > 1:  # one that would not work is no reason for the others to stay
            alone = {move.overlay: self._attempted(stage, of_its_own_accord(stage, [move])) for move in moves}
            for overlay, each in alone.items():
                notes.say([overlay], *each.sentences)
            moves = [move for move in moves if not alone[move.overlay].refused]
            if not moves:
                return False
            attempt = self._attempted(stage, of_its_own_accord(stage, moves))
        return self._commit(stage, attempt, notes)

    def _proposed(self, stage: EnvironmentSnapshot, name: str) -> Proposal:
        """What is proven; where that waits to be asked for, what a person's commit asks for, if there is one."""
        target, terms = stage.targets[name], PromotionTerms(stage.promote.soak)
        if stage.promote.when == "requested":
            digests = self._stages.asked_by_commit(stage, name)
            asked = promotion.by_hand(stage.sources[name], target, terms, digests)
            if asked is not None:
                return asked
        return promotion.propose(stage.sources[name], target, terms)

    def _own_accord(
        self, stage: EnvironmentSnapshot, name: str, proposal: Proposal, notes: PendingNotes
    ) -> OverlayMove | None:
        """The move that automation may make of a proposal; says what else would wait for a request."""
        move, target = proposal.move, stage.targets[name]
        is_release = bool(move.images or move.moves_base)
        if is_release and (stage.promote.when == "proven" or proposal.is_asked):
            return move
        if is_release and not notes.has_request(name):
            ask = f"asked for by the tag {requests.PROMOTE}{stage.name}/<name> (`lockstep promote {stage.name}`)"
            notes.say([name], f"{summary(stage, move)}: proven in {stage.source.environment}, waits to be {ask}")
        alone = promotion.settings_alone(target)
        follows = target.pending and stage.settings_follow and target.written == target.locked
        return alone if follows and alone.is_vouched_for else None

    def _requested(self, stage: EnvironmentSnapshot, asked: PromotionRequest, notes: PendingNotes) -> bool:
        """One request: written when all its gates are open, else shown with those that are not. Overlays that would not
        move have no say in it.
        """
        concerned = self._concerned(stage, asked)
        moving = {name: found for name, found in concerned.items() if not found.move.is_empty}
        moves = [proposal.move for proposal in moving.values()]
        unmet = [sentence for proposal in (moving or concerned).values() for sentence in proposal.obstacles]
        missing = asked.services - {service for move in moves for service in move.images}
        if missing or not moves:
            unmet += [sentence for proposal in concerned.values() for sentence in proposal.behind]
            unmet += [f"{service}: nothing newer to promote" for service in sorted(missing) if not unmet]
        release = release_hash(stage, moves)
        approvers = self._tagged.approvers(asked, release)
        approved = len(approvers) if asked.signer is not None else 0
        for proposal in (moving or concerned).values():
            unmet += [gate.message for gate in self._gatekeeper.shut(stage, proposal.move, approved, asked.waived)]
        if stage.promote.approvals.count and asked.signer is None:
            unmet.append("the request itself must be signed, so that nobody approves what they asked for")
        if unmet or not moves:
            shown = pending(asked, moves, release, unmet or ["nothing newer to promote"])
            notes.pend(concerned, shown)
            notes.say(concerned, f"request {asked.name} waits: {'; '.join(shown.gates)}")
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
        return self._commit(stage, self._attempted(stage, made), notes)

    def _concerned(self, stage: EnvironmentSnapshot, asked: PromotionRequest) -> dict[str, Proposal]:
        """What the request asks of each overlay that runs one of its services, or is about to; all where none does."""
        terms = self._stages.terms(stage, asked)
        proposals = {
            name: promotion.propose(stage.sources[name], target, terms) for name, target in stage.targets.items()
        }
        own = {
            name: found
            for name, found in proposals.items()
            if asked.services & {*stage.targets[name].locked, *stage.targets[name].written, *found.move.images}
        }
        return own or proposals

    def _taken_back(self, declared: Pipeline, stage: EnvironmentSnapshot, name: str, notes: PendingNotes) -> bool:
        """A promotion that made the overlay Degraded is taken back, unless automation is held."""
        now = self._parties.now()
        if stage.holds[name].in_force(now) is not None:
            return False

        def written() -> str:
            commit = self._retreats.of(declared, stage.overlays[name], stage.head, now)
            return self._writer.rollback(stage, name, commit) if commit else ""

        what = f"rollback of {name}"
        revision, refused = self._writer.good(stage, what, written)
        if refused:
            notes.say([name], f"degraded, and not rolled back: {refused}")
        if not revision or not self._is_let_in(stage, (what, revision), [name], notes):
            return False
        _log.warning("rolled back by itself", overlay=name, revision=revision)
        return True

    def _attempted(self, stage: EnvironmentSnapshot, made: Promotion) -> PromotionAttempt:
        """In the clone alone, and judged. What was refused once is not tried again on the same head."""
        now, noted = self._parties.now(), self._gatekeeper.noted(stage, made)
        revision, refused = self._writer.good(stage, made.release, lambda: self._writer.promotion(stage, noted, now))
        return PromotionAttempt(noted, revision, refused)

    def _commit(self, stage: EnvironmentSnapshot, attempt: PromotionAttempt, notes: PendingNotes) -> bool:
        made, overlays = attempt.made, [move.overlay for move in attempt.made.moves]
        notes.say(overlays, *attempt.sentences)
        if attempt.refused or not self._is_let_in(stage, (made.release, attempt.revision), overlays, notes):
            return False
        _log.info("promoted", environment=made.environment, revision=attempt.revision, cause=made.cause)
        return True

    def _is_let_in(
        self, stage: EnvironmentSnapshot, written: tuple[str, str], overlays: Sequence[str], notes: PendingNotes
    ) -> bool:
        """Pushes what was written, by a hash of its content and its commit; a trunk that refused it is asked ever less.

        Raises: Conflict when another replica may lead by now, or the trunk moved.
        """
        what, revision = written
        if self._memory.head != stage.head:
            self._memory.head, self._memory.unwelcome = stage.head, {}
        known, now = self._memory.unwelcome.get(what), self._parties.now()
        if known is None or now >= known.until:
            if not self._leads():
                raise Conflict("NotLeading", "another replica may lead by now, and know better; nothing was promoted")
            try:
                published = self._writer.push(stage.head, revision)
            except Rejected as error:
                known = self._memory.unwelcome[what] = PushBackoff.after(known, now, str(error))
                _log.warning("not let in", environment=stage.name, reason=error.reason, message=str(error))
            else:
                self._parties.listener.promoted(published)
                return True
        notes.say(overlays, f"not promoted: {known.message}; tried again at {known.until:%Y-%m-%d %H:%M} UTC")
        return False
