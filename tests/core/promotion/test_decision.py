"""May this release move? Every reason for and against a promotion, by literals."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from gitops.core.config_repo.environments import PromotePolicy, SyncMode
from gitops.core.config_repo.release import Hold
from gitops.core.promotion import decision
from gitops.core.promotion.decision import OverlayFacts, RequestDecision
from gitops.core.promotion.gates import GateFacts
from gitops.core.promotion.inputs import PromotionRoute, PromotionTarget, PromotionTerms
from gitops.core.promotion.proof import Proof
from gitops.core.promotion.proposal import Proposal, propose
from gitops.core.promotion.release import release_hash
from gitops.core.promotion.requests import Approval, PromotionRequest
from tests.worlds.promotion_values import NEW, NOW, SOAK, image, policy, proof, source, target

REQUESTED = {"when": "requested"}
APPROVED = {"when": "requested", "approvals": {"count": 1}}
HELD = GateFacts(hold=Hold(who="Li", why="stocktaking", since=NOW))
UNSIGNED = (
    "the request must be signed, because an approver may not approve their own request: "
    "sign the tag, or run `lockstep promote --sign`"
)


def request(*services: str, signer: str | None = "li@example", **waived: str) -> PromotionRequest:
    return PromotionRequest("f" * 40, "friday", "test", NEW, NOW, frozenset(services), waived, signer)


def facts(*proofs: Proof, services: tuple[str, ...] = (), gates: GateFacts | None = None) -> OverlayFacts:
    terms = PromotionTerms(SOAK, services=frozenset(services))
    return OverlayFacts(target(), propose(source(*proofs), target(), terms), gates or GateFacts())


def decide(
    asked: PromotionRequest, overlays: Mapping[str, OverlayFacts] | OverlayFacts, *approvals: Approval, **fields: object
) -> RequestDecision:
    places = {"test": overlays} if isinstance(overlays, OverlayFacts) else overlays
    return decision.decide_request(asked, policy(**(fields or REQUESTED)), places, approvals, NOW)


class TestObserveMode:
    def test_nothing_is_promoted(self) -> None:
        assert decision.observe_obstacle(SyncMode.OBSERVE) == "observe mode: nothing is promoted (sync.mode: observe)"

    @pytest.mark.parametrize("mode", sorted(set(SyncMode) - {SyncMode.OBSERVE}))
    def test_every_other_mode_takes_promotions(self, mode: SyncMode) -> None:
        assert decision.observe_obstacle(mode) == ""


class TestRequests:
    def test_a_proven_release_moves(self) -> None:
        found = decide(request(), facts(proof("order", 2), proof("print", 2)))
        assert found.may_move
        assert [move.images for move in found.moves] == [{"order": image("order", 2), "print": image("print", 2)}]
        assert (found.overlays, found.release) == (("test",), release_hash("test", found.moves))

    def test_there_must_be_something_newer(self) -> None:
        found = decide(request(), facts(proof("order", 1), proof("print", 1)))
        assert (found.moves, found.obstacles) == ((), ("nothing newer to promote",))

    def test_what_stays_behind_says_why_when_nothing_moves(self) -> None:
        found = decide(request(), facts(proof("order", 2, minutes=-1), proof("print", 1)))
        assert found.obstacles == ("order 1.2 is not healthy in dev yet",)

    def test_what_stays_behind_keeps_nothing_else_back(self) -> None:
        assert decide(request(), facts(proof("order", 2), proof("print", 2, minutes=-1))).may_move

    def test_a_service_that_was_named_must_move(self) -> None:
        named = ("order", "print")
        found = decide(request(*named), facts(proof("order", 2), proof("print", 1), services=named))
        assert not found.may_move
        assert found.obstacles == ("print: nothing newer to promote",)
        why = decide(request(*named), facts(proof("order", 2), proof("print", 2, minutes=-1), services=named))
        assert why.obstacles == ("print 1.2 is not healthy in dev yet",)

    def test_an_obstacle_is_said_instead_of_nothing_newer(self) -> None:
        edited = target(written={"order": image("order", 9), "print": image("print", 1)})
        found = OverlayFacts(edited, propose(source(), edited, PromotionTerms(SOAK)), GateFacts())
        (sentence,) = decide(request("order"), found).obstacles
        assert sentence.startswith("order: its image was edited on the trunk without a release")

    def test_a_shut_gate_keeps_it_and_a_named_skip_opens_it(self) -> None:
        held = facts(proof("order", 2), gates=HELD)
        assert decide(request(), held).obstacles == ("held by Li: stocktaking; `lockstep resume` ends it",)
        assert decide(request(hold="the count is done"), held).may_move

    def test_an_overlay_that_would_not_move_has_no_say(self) -> None:
        overlays = {"test/a": facts(proof("order", 2)), "test/b": facts(gates=HELD)}
        found = decide(request(), overlays)
        assert found.may_move
        assert (found.overlays, len(found.moves)) == (("test/a", "test/b"), 1)

    def test_one_shut_gate_keeps_all_overlays(self) -> None:
        overlays = {"test/a": facts(proof("order", 2)), "test/b": facts(proof("order", 2), gates=HELD)}
        assert not decide(request(), overlays).may_move

    def test_it_concerns_the_overlays_that_run_a_named_service(self) -> None:
        other = replace(target({}), overlay="test/b")
        overlays = {
            "test/a": facts(proof("order", 2), services=("order",)),
            "test/b": OverlayFacts(other, propose(source(), other, PromotionTerms(SOAK)), HELD),
        }
        found = decide(request("order"), overlays)
        assert (found.overlays, found.may_move) == (("test/a",), True)

    def test_a_service_that_no_overlay_runs_concerns_all(self) -> None:
        found = decide(request("basket"), {"test/a": facts(), "test/b": facts()})
        assert (found.overlays, found.obstacles) == (("test/a", "test/b"), ("basket: nothing newer to promote",))

    def test_a_reason_is_given_once(self) -> None:
        overlays = {"test/a": facts(proof("order", 2), gates=HELD), "test/b": facts(proof("order", 2), gates=HELD)}
        assert len(decide(request(), overlays).obstacles) == 1


class TestApprovals:
    ready = facts(proof("order", 2))
    release = release_hash("test", [ready.proposal.move])

    def by(self, signer: str, **changes: str) -> Approval:
        return replace(Approval("f" * 40, self.release, signer), **changes)

    def test_another_person_approves_exactly_this_release(self) -> None:
        found = decide(request(), self.ready, self.by("wang@example"), **APPROVED)
        assert (found.may_move, found.approvers) == (True, {"wang@example"})

    @pytest.mark.parametrize(
        "changes",
        [{"signer": "li@example"}, {"release": "0" * 64}, {"request": "e" * 40}],
        ids=["own", "of another release", "of another tag"],
    )
    def test_own_and_foreign_approvals_do_not_count(self, changes: dict[str, str]) -> None:
        given = replace(self.by("wang@example"), **changes)
        found = decide(request(), self.ready, given, **APPROVED)
        assert found.obstacles == ("0 of 1 approvals; `lockstep approve` gives one",)

    def test_an_unsigned_request_cannot_be_approved(self) -> None:
        """The person who pushed the request could be the one who approves it."""
        found = decide(request(signer=None), self.ready, self.by("wang@example"), self.by("li@example"), **APPROVED)
        assert found.obstacles == ("0 of 1 approvals; `lockstep approve` gives one", UNSIGNED)

    def test_an_unsigned_request_cannot_skip_the_approvals_either(self) -> None:
        found = decide(request(signer=None, approvals="me"), self.ready, **APPROVED)
        assert found.obstacles == (UNSIGNED,)

    def test_a_signed_request_skips_them_where_lockstep_yaml_allows_the_name(self) -> None:
        assert decide(request(approvals="urgent"), self.ready, **APPROVED).may_move

    def test_without_approvals_in_pipeline_yaml_nobody_must_sign(self) -> None:
        assert decide(request(signer=None), self.ready).may_move


class TestAutomatic:
    @staticmethod
    def route(*, follow: bool = True, **fields: object) -> PromotionRoute:
        return PromotionRoute("test", "dev", policy(**fields), settings_follow=follow)

    @staticmethod
    def proposed(*proofs: Proof, of: PromotionTarget | None = None) -> Proposal:
        return propose(source(*proofs), of or target(), PromotionTerms(SOAK))

    def test_what_is_proven_moves(self) -> None:
        found = self.proposed(proof("order", 2))
        chosen = decision.choose_automatic(self.route(), target(), found, has_request=False)
        assert (chosen.move, chosen.sentences) == (found.move, ())

    def test_it_waits_for_a_request_where_pipeline_yaml_says_so(self) -> None:
        found = self.proposed(proof("order", 2))
        chosen = decision.choose_automatic(self.route(**REQUESTED), target(), found, has_request=False)
        assert chosen.move is None
        assert chosen.sentences == (
            "order 1.2: proven in dev, waits to be asked for by the tag promote/test/<name> (`lockstep promote test`)",
        )

    def test_it_says_nothing_where_a_request_waits_already(self) -> None:
        found = self.proposed(proof("order", 2))
        chosen = decision.choose_automatic(self.route(**REQUESTED), target(), found, has_request=True)
        assert (chosen.move, chosen.sentences) == (None, ())

    def test_a_persons_commit_asks_as_a_tag_does(self) -> None:
        found = replace(self.proposed(proof("order", 2)), is_asked=True)
        assert decision.choose_automatic(self.route(**REQUESTED), target(), found, has_request=False).move == found.move

    @pytest.mark.parametrize(
        ("changes", "follow", "moves"),
        [
            ({"pending": True}, True, True),
            ({"pending": False}, True, False),
            ({"pending": True}, False, False),
            ({"pending": True, "written": {"order": image("order", 9)}}, True, False),
            ({"pending": True, "release": target().release.model_copy(update={"waived": None})}, True, False),
        ],
        ids=["pending", "nothing pending", "promoted by request", "image edited by hand", "base without proof"],
    )
    def test_settings_follow_the_trunk_alone(self, changes: dict[str, object], follow: bool, moves: bool) -> None:  # noqa: FBT001
        place = target(None, **changes)
        found = self.proposed(of=place)
        chosen = decision.choose_automatic(self.route(follow=follow), place, found, has_request=False)
        assert (chosen.move is not None and chosen.move.moves_settings) is moves

    def test_open_gates_let_it_through(self) -> None:
        found = self.proposed(proof("order", 2))
        decided = decision.decide_automatic(policy(), found.move, found, GateFacts(), NOW)
        assert (decided.move, decided.sentences) == (found.move, ())

    def test_a_shut_gate_keeps_it_and_says_why(self) -> None:
        found = self.proposed(proof("order", 2))
        decided = decision.decide_automatic(policy(), found.move, found, HELD, NOW)
        assert (decided.move, decided.sentences) == (
            None,
            ("order 1.2: held by Li: stocktaking; `lockstep resume` ends it",),
        )

    def test_approvals_need_a_request(self) -> None:
        found = self.proposed(proof("order", 2))
        wanted: PromotePolicy = policy(approvals={"count": 1})
        decided = decision.decide_automatic(wanted, found.move, found, GateFacts(), NOW)
        assert decided.sentences == ("order 1.2: needs 1 approvals, which only a request (a pushed tag) can collect",)

    def test_an_obstacle_keeps_it_too(self) -> None:
        found = replace(self.proposed(proof("order", 2)), obstacles=("print: edited by hand",))
        assert decision.decide_automatic(policy(), found.move, found, GateFacts(), NOW).move is None

    def test_a_window_that_is_shut(self) -> None:
        late = policy(windows={"allow": [{"cron": "0 10 * * 2", "duration": "7h"}]})
        found = self.proposed(proof("order", 2))
        decided = decision.decide_automatic(late, found.move, found, GateFacts(), NOW)
        assert decided.sentences[0].endswith("the next window opens at 2026-11-24 10:00 UTC")
        opened = decision.decide_automatic(late, found.move, found, GateFacts(), NOW + timedelta(days=1, hours=3))
        assert opened.move == found.move
