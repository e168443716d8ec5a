"""Decides whether a release may move to the next environment, from values that were read before.

- `observe_obstacle`     an environment in observe mode takes no promotion
- `decide_request`       a person's tag requests a promotion: it is written if it has no obstacle
- `choose_automatic`     without a request: the move that pipeline.yaml lets automation make
- `decide_automatic`     the same move, if it has no obstacle and every gate is open now

The reasons come from proposal.py (what is proven), gates.py (which gates are shut) and requests.py (who approves).
Not here: reading git, the cluster or registries, and writing commits (gitops/promotion/promoter.py). A push that
the remote refuses: push_refusal.py. Automatic rollback: auto_rollback.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gitops.core.config_repo.environments import PromotePolicy, SyncMode
from gitops.core.promotion import gates, requests
from gitops.core.promotion.commits import summarise
from gitops.core.promotion.gates import GateFacts
from gitops.core.promotion.inputs import PromotionRoute, PromotionTarget
from gitops.core.promotion.proposal import Proposal
from gitops.core.promotion.release import OverlayMove, move_settings, release_hash
from gitops.core.promotion.requests import Approval, PromotionRequest

NOTHING_NEWER = "nothing newer to promote"
_UNSIGNED = (
    "the request must be signed, because an approver may not approve their own request: "
    "sign the tag, or run `lockstep promote --sign`"
)


@dataclass(frozen=True, slots=True)
class OverlayFacts:
    """One overlay that a request may concern. `gates`: without approvals and waivers, which are the request's."""

    target: PromotionTarget
    proposal: Proposal
    gates: GateFacts


@dataclass(frozen=True, slots=True)
class RequestDecision:
    """`moves` are written together, or, with `obstacles`, not at all. `overlays`: those that the request concerns;
    `release`: the content hash of the moves; `approvers`: signers who count.
    """

    overlays: tuple[str, ...]
    moves: tuple[OverlayMove, ...]
    release: str
    obstacles: tuple[str, ...]
    approvers: frozenset[str]

    @property
    def may_move(self) -> bool:
        return not self.obstacles


@dataclass(frozen=True, slots=True)
class AutomaticDecision:
    """`move`: what automation writes into an overlay, None = nothing. `sentences`: what the page says about it."""

    move: OverlayMove | None
    sentences: tuple[str, ...] = ()


def observe_obstacle(mode: SyncMode) -> str:
    """The reason why this sync mode forbids promotions; empty if it allows them."""
    return "observe mode: nothing is promoted (sync.mode: observe)" if mode is SyncMode.OBSERVE else ""


def decide_request(
    request: PromotionRequest,
    policy: PromotePolicy,
    overlays: Mapping[str, OverlayFacts],
    approvals: Sequence[Approval],
    now: datetime,
) -> RequestDecision:
    """Decides a request: the moves to write together, or the obstacles. Of the overlays that the request concerns,
    only those that would move count.

    `overlays`: all of the environment, by name. `approvals`: those of this request's name; approvals of another tag
    object or of another release do not count.
    """
    concerned = _select_concerned(request, overlays)
    moving = {name: each for name, each in concerned.items() if not each.proposal.move.is_empty}
    moves = tuple(each.proposal.move for each in moving.values())
    release = release_hash(request.environment, moves)
    approvers = requests.approvers(request, release, approvals)
    decisive = [*(moving or concerned).values()]
    obstacles = [sentence for each in decisive for sentence in each.proposal.obstacles]
    obstacles += _missing_services(request, concerned, moves, is_obstructed=bool(obstacles))
    obstacles += _shut_gates(request, policy, decisive, len(approvers), now)
    obstacles += _missing_signature(request, policy)
    if not (obstacles or moves):
        obstacles.append(NOTHING_NEWER)
    return RequestDecision(tuple(concerned), moves, release, tuple(dict.fromkeys(obstacles)), approvers)


def choose_automatic(
    route: PromotionRoute, target: PromotionTarget, proposal: Proposal, *, has_request: bool
) -> AutomaticDecision:
    """The move that automation may make without a request: the proposal if pipeline.yaml has `when: proven` or a
    person's commit asks for it; else at most the overlay's own settings. `has_request`: the page shows a request for
    this overlay already.
    """
    move = proposal.move
    is_release = bool(move.images or move.moves_base)
    if is_release and (route.policy.when == "proven" or proposal.is_asked):
        return AutomaticDecision(move)
    sentences = () if not is_release or has_request else (_waits_for_request(route, move),)
    settings = move_settings(target)
    may_follow = target.pending and route.settings_follow and target.written == target.locked
    return AutomaticDecision(settings if may_follow and settings.has_admitted_base else None, sentences)


def decide_automatic(
    policy: PromotePolicy, move: OverlayMove, proposal: Proposal, facts: GateFacts, now: datetime
) -> AutomaticDecision:
    """Returns the move if there is no obstacle and every gate is open."""
    shut = tuple(f"{summarise([move])}: {gate.message}" for gate in gates.shut(policy, now, facts))
    return AutomaticDecision(None if shut or proposal.obstacles else move, shut)


def _select_concerned(request: PromotionRequest, overlays: Mapping[str, OverlayFacts]) -> dict[str, OverlayFacts]:
    """The overlays that run one of the request's services, or would run it; all overlays if none does."""
    own = {
        name: each
        for name, each in overlays.items()
        if request.services & {*each.target.locked, *each.target.written, *each.proposal.move.images}
    }
    return own or dict(overlays)


def _missing_services(
    request: PromotionRequest,
    concerned: Mapping[str, OverlayFacts],
    moves: Sequence[OverlayMove],
    *,
    is_obstructed: bool,
) -> list[str]:
    """The reasons why services that the request names do not move, or why nothing moves."""
    missing = request.services - {service for move in moves for service in move.images}
    if moves and not missing:
        return []
    behind = [sentence for each in concerned.values() for sentence in each.proposal.behind]
    if behind or is_obstructed:
        return behind
    return [f"{service}: {NOTHING_NEWER}" for service in sorted(missing)]


def _shut_gates(
    request: PromotionRequest, policy: PromotePolicy, overlays: Sequence[OverlayFacts], approvers: int, now: datetime
) -> Iterator[str]:
    """The messages of the shut gates. An unsigned request has no approvals: an approver could have pushed it."""
    approved = approvers if request.signer is not None else 0
    for each in overlays:
        facts = replace(each.gates, approved=approved, waived=request.waived)
        yield from (gate.message for gate in gates.shut(policy, now, facts))


def _missing_signature(request: PromotionRequest, policy: PromotePolicy) -> list[str]:
    """The obstacle of an unsigned request in an environment with approvals, even if the request skips that gate."""
    return [_UNSIGNED] if policy.approvals.count and request.signer is None else []


def _waits_for_request(route: PromotionRoute, move: OverlayMove) -> str:
    ask = f"asked for by the tag {requests.PROMOTE}{route.environment}/<name> (`lockstep promote {route.environment}`)"
    return f"{summarise([move])}: proven in {route.source}, waits to be {ask}"
