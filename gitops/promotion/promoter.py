"""Promotes releases from one environment to the next: reads proofs, releases and tags, asks the rules, and commits.

The rules are in gitops/core/promotion, first of all decision.py: may this release move? The promoter keeps nothing that
git and the ledger do not hold, so the process may end at any line. It writes as the committer does, by
compare-and-swap on the trunk's head, and decides again after a lost race.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Rejected
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion import decision, proposal
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.decision import OverlayFacts
from gitops.core.promotion.gates import Gate
from gitops.core.promotion.inputs import PromotionTerms
from gitops.core.promotion.proposal import Proposal
from gitops.core.promotion.release import OverlayMove
from gitops.core.promotion.requests import PromotionRequest
from gitops.core.promotion.status import PendingNotes, pending_request
from gitops.desired.desired_state import DesiredState
from gitops.ports import Clock, ConfigRepo, ContractCheck, Leadership, Ledger, PromotionListener
from gitops.promotion.auto_rollback import AutoRollback
from gitops.promotion.commit_writer import PreparedCommit, PromotionWriter
from gitops.promotion.gate_facts import GateFactsReader, ImageQueries
from gitops.promotion.leader_term import LeaderTerm
from gitops.promotion.pending import PublishedNotes
from gitops.promotion.proof_recorder import ProofRecorder
from gitops.promotion.release_refs import ReleaseRefs
from gitops.promotion.request_tags import RequestTags
from gitops.promotion.snapshot import EnvironmentSnapshot, EnvironmentSnapshots

_log = structlog.get_logger(__name__)

_SOON, _LATE = 1.0, 30.0
"""Seconds between two looks at what soaks; below proof.LONGEST_GAP, so that the time between them counts."""
_SHORT_SOAK = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class PromoterParties:
    """`skippable`: gates that a request may skip by name. `notes` takes what waits for each overlay, for the passes
    to show.
    """

    repo: ConfigRepo
    desired: DesiredState
    recorder: ProofRecorder
    clock: Clock
    leadership: Leadership
    skippable: Collection[Gate]
    ledger: Ledger
    contract: ContractCheck
    registries: ImageQueries
    notes: PublishedNotes
    listener: PromotionListener


class Promoter:
    """`promote_all` is called by one thread at a time, the other methods by any."""

    def __init__(self, parties: PromoterParties) -> None:
        repo, desired = parties.repo, parties.desired
        self._parties = parties
        self._term = LeaderTerm(parties.leadership, parties.recorder)
        self._snapshots = EnvironmentSnapshots(repo, desired, parties.recorder)
        self._request_tags = RequestTags(repo, parties.skippable, parties.clock)
        self._gate_facts = GateFactsReader(parties.registries, parties.clock)
        self._auto_rollback = AutoRollback(repo, parties.ledger)
        self._writer = PromotionWriter(repo, desired, parties.contract, self._term, parties.listener)
        self._release_refs = ReleaseRefs(repo, desired)

    def read_tags(self) -> None:
        """Asks the remote for the tags of requests and approvals, when any environment takes promotions."""
        declared = self._parties.desired.pipeline()
        if declared is not None and any(found.promote for found in declared.environments.values()):
            self._request_tags.read()

    def promote_all(self) -> float | None:
        """Looks at every environment once; returns after how many seconds to look again, None when this replica cannot
        promote.

        Raises: Conflict when the trunk moved meanwhile, Unavailable.
        """
        desired, recorder = self._parties.desired, self._parties.recorder
        declared = desired.pipeline()
        self._term.begin()
        if declared is None or desired.trouble() is not None or not self._term.is_leader():
            return None
        recorder.keep_only(desired.overlays().keys())
        self._gate_facts.begin()
        notes = PendingNotes()
        has_moved = False
        for name in declared.order:
            if declared.environments[name].promote is not None:
                recorder.observe_again()  # the environment before may take long, and unobserved time does not soak
                has_moved = self._promote_into(declared, name, notes) or has_moved
        self._refuse_strays(declared, notes)
        self._publish(notes)
        self._release_refs.keep()
        return 0.0 if has_moved else _next_look(declared)

    def _publish(self, notes: PendingNotes) -> None:
        changed = self._parties.notes.publish(notes.by_overlay())
        if changed:
            self._parties.listener.notes_changed(changed)

    def _refuse_strays(self, declared: Pipeline, notes: PendingNotes) -> None:
        """Shows requests for environments without promotions at every environment with promotions: their authors look
        there.
        """
        strays = self._request_tags.strays(declared)
        for name, environment in declared.environments.items():
            if environment.promote is not None:
                notes.add_refusals(self._overlays_of(name), strays)

    def _overlays_of(self, environment: str) -> list[str]:
        return [each.name for each in self._parties.desired.overlays().values() if each.environment == environment]

    # -- one environment: True when something was committed

    def _promote_into(self, declared: Pipeline, name: str, notes: PendingNotes) -> bool:
        overlays = self._overlays_of(name)
        obstacle = decision.observe_obstacle(declared.environments[name].sync.mode)
        if obstacle:
            notes.add_sentences(overlays, obstacle)
            return False
        try:
            snapshot = self._snapshots.read(declared, name)
            for overlay, trouble in snapshot.troubles.items():
                notes.add_sentences([overlay], f"nothing can be promoted: {trouble}")
            if any(self._roll_back(declared, snapshot, overlay, notes) for overlay in snapshot.targets):
                return True
            requests, refused = self._request_tags.requests(declared, name)
            notes.add_refusals(overlays, refused)
            return any(self._promote_requested(snapshot, each, notes) for each in requests) or (
                self._promote_automatically(snapshot, notes)
            )
        except Rejected as error:
            notes.add_sentences(overlays, f"nothing can be promoted: {error}")
            return False

    def _roll_back(self, declared: Pipeline, snapshot: EnvironmentSnapshot, name: str, notes: PendingNotes) -> bool:
        """Takes back a promotion that made the overlay Degraded, unless the overlay is held."""
        now = self._parties.clock.now()
        if snapshot.holds[name].in_force(now) is not None:
            return False

        def write() -> str:
            commit = self._auto_rollback.commit(declared, snapshot.overlays[name], snapshot.head, now)
            return self._writer.write_rollback(snapshot, name, commit) if commit else ""

        prepared = self._writer.prepare(snapshot, f"rollback of {name}", write)
        if prepared.problem:
            notes.add_sentences([name], f"degraded, and not rolled back: {prepared.problem}")
        if not self._push(snapshot, prepared, [name], notes):
            return False
        _log.warning("rolled back by itself", overlay=name, revision=prepared.revision)
        return True

    def _promote_requested(self, snapshot: EnvironmentSnapshot, request: PromotionRequest, notes: PendingNotes) -> bool:
        """Writes what a tag asks for, or shows what it waits for."""
        facts = self._read_facts(snapshot, self._snapshots.terms(snapshot, request))
        approvals, now = self._request_tags.approvals(request), self._parties.clock.now()
        decided = decision.decide_request(request, snapshot.route.policy, facts, approvals, now)
        if not decided.may_move:
            notes.add_request(
                decided.overlays, pending_request(request, decided.moves, decided.release, decided.obstacles)
            )
            notes.add_sentences(decided.overlays, f"request {request.name} waits: {'; '.join(decided.obstacles)}")
            return False
        promotion = promotion_commits.requested_promotion(snapshot.route, request, decided.moves, decided.approvers)
        return self._commit(snapshot, promotion, self._prepare(snapshot, promotion), notes)

    def _read_facts(self, snapshot: EnvironmentSnapshot, terms: PromotionTerms) -> dict[str, OverlayFacts]:
        facts = {}
        for name, target in snapshot.targets.items():
            proposed = proposal.propose(snapshot.sources[name], target, terms)
            facts[name] = OverlayFacts(target, proposed, self._gate_facts.read(snapshot, proposed.move))
        return facts

    def _promote_automatically(self, snapshot: EnvironmentSnapshot, notes: PendingNotes) -> bool:
        """Writes the moves that need no request."""
        self._gate_facts.foresee(snapshot)
        moves = [move for name in snapshot.targets if (move := self._decide_automatic(snapshot, name, notes))]
        if not moves:
            return False
        promotion = promotion_commits.automatic_promotion(snapshot.route, moves)
        prepared = self._prepare(snapshot, promotion)
        if prepared.problem and len(moves) > 1:  # a move that does not render must not stop the others
            moves = self._drop_problems(snapshot, moves, notes)
            if not moves:
                return False
            promotion = promotion_commits.automatic_promotion(snapshot.route, moves)
            prepared = self._prepare(snapshot, promotion)
        return self._commit(snapshot, promotion, prepared, notes)

    def _decide_automatic(self, snapshot: EnvironmentSnapshot, name: str, notes: PendingNotes) -> OverlayMove | None:
        route, proposed = snapshot.route, self._propose_automatic(snapshot, name)
        notes.add_sentences([name], *proposed.behind, *proposed.obstacles)
        has_request = notes.has_request(name)
        chosen = decision.choose_automatic(route, snapshot.targets[name], proposed, has_request=has_request)
        notes.add_sentences([name], *chosen.sentences)
        if chosen.move is None:
            return None
        facts, now = self._gate_facts.read(snapshot, chosen.move), self._parties.clock.now()
        decided = decision.decide_automatic(route.policy, chosen.move, proposed, facts, now)
        notes.add_sentences([name], *decided.sentences)
        return decided.move

    def _propose_automatic(self, snapshot: EnvironmentSnapshot, name: str) -> Proposal:
        """Proposes the images of a person's commit if `when: requested` and they are proven; else the newest proven
        release.
        """
        source, target, policy = snapshot.sources[name], snapshot.targets[name], snapshot.route.policy
        terms = PromotionTerms(policy.soak)
        if policy.when == "requested":
            digests = self._snapshots.edited_by_people(snapshot, name)
            edited = proposal.propose_edited(source, target, terms, digests)
            if edited is not None:
                return edited
        return proposal.propose(source, target, terms)

    def _drop_problems(
        self, snapshot: EnvironmentSnapshot, moves: Sequence[OverlayMove], notes: PendingNotes
    ) -> list[OverlayMove]:
        """The moves that render and keep the contract when promoted alone."""
        kept = []
        for move in moves:
            alone = self._prepare(snapshot, promotion_commits.automatic_promotion(snapshot.route, [move]))
            _note_problem([move.overlay], alone, notes)
            kept += [] if alone.problem else [move]
        return kept

    # -- writing

    def _prepare(self, snapshot: EnvironmentSnapshot, promotion: Promotion) -> PreparedCommit:
        annotated, now = self._gate_facts.annotate(snapshot, promotion), self._parties.clock.now()
        return self._writer.prepare_promotion(snapshot, annotated, now)

    def _commit(
        self, snapshot: EnvironmentSnapshot, promotion: Promotion, prepared: PreparedCommit, notes: PendingNotes
    ) -> bool:
        overlays = [move.overlay for move in promotion.moves]
        _note_problem(overlays, prepared, notes)
        if not self._push(snapshot, prepared, overlays, notes):
            return False
        _log.info("promoted", environment=promotion.environment, revision=prepared.revision, cause=promotion.cause)
        return True

    def _push(
        self, snapshot: EnvironmentSnapshot, prepared: PreparedCommit, overlays: Sequence[str], notes: PendingNotes
    ) -> bool:
        """True when the remote took the prepared commits; False also when there are none."""
        if not prepared.revision:
            return False
        refusal = self._writer.push(snapshot, prepared, self._parties.clock.now())
        if refusal is not None:
            notes.add_sentences(overlays, str(refusal))
        return refusal is None


def _note_problem(overlays: Sequence[str], prepared: PreparedCommit, notes: PendingNotes) -> None:
    if prepared.problem:
        notes.add_sentences(overlays, f"not promoted, since the result would be wrong: {prepared.problem}")


def _next_look(declared: Pipeline) -> float:
    """Seconds until the next look: soon while an environment asks for a short soak."""
    soaks = [found.promote.soak for found in declared.environments.values() if found.promote]
    return _SOON if any(timedelta(0) < soak <= _SHORT_SOAK for soak in soaks) else _LATE
