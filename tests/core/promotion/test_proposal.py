"""Images that move and images that stay behind, by literals."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gitops.core.config_repo.release import Rejection, Release
from gitops.core.promotion.inputs import PromotionSource, PromotionTarget, PromotionTerms
from gitops.core.promotion.proof import Proof
from gitops.core.promotion.proposal import Proposal, propose
from tests.worlds.promotion_values import (
    NEW,
    NEWEST,
    NOW,
    OLD,
    SOAK,
    NewServicesByBase,
    TaggedAt,
    image,
    proof,
    source,
    target,
)


def proposed(
    found: PromotionSource, wanted: PromotionTarget, terms: PromotionTerms | None = None
) -> tuple[dict[str, str | None], str, Proposal]:
    result = propose(found, wanted, terms or PromotionTerms(SOAK))
    moved = {service: each.tag for service, each in result.move.images.items()}
    return moved, result.move.base, result


def test_what_another_overlay_of_the_environment_names_is_none_of_this_ones_business() -> None:
    lacks = {OLD: frozenset[str](), NEW: frozenset({"print"})}
    found = source(proof("order", 1), proof("print", 2, base=NEW), closures={OLD: {"order": "a"}, NEW: {"order": "b"}})
    alone = target({"order": 1}, newcomers=NewServicesByBase(lacks))
    assert "print 1.2" in proposed(found, alone)[2].behind[0]
    beside = replace(alone, others=frozenset({"print"}))
    assert proposed(found, beside) == ({}, OLD, Proposal(proposed(found, beside)[2].move))


def test_what_is_proven_moves_and_the_rest_stays_and_says_why() -> None:
    moved, base, result = proposed(source(proof("order", 2), proof("print", 2, minutes=3.5)), target())
    assert moved == {"order": "1.2"}
    assert base == OLD
    assert result.behind == ("print 1.2 soaks in dev until 2026-11-23 08:07 UTC",)
    assert result.move.evidence["order"].since == NOW
    assert result.move.evidence["print"].digest == image("print", 1).digest


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        (proof("order", 2, minutes=-1), "order 1.2 is not healthy in dev yet"),
        (proof("order", 2, ran=False), "order 1.2 never ran in dev: no ready pod of it was seen"),
        (
            proof("order", 2, files="b"),
            "order 1.2 was proven in dev with other base files; they move together, once all",
        ),
    ],
)
def test_why_something_stays(newest: Proof, why: str) -> None:
    moved, _, result = proposed(source(newest, proof("print", 1)), target())
    assert moved == {}
    assert [sentence.startswith(why) for sentence in result.behind] == [True]
    assert result.move.is_empty


def test_the_candidate_is_the_newest_that_is_proven_not_what_runs() -> None:
    found = source(proof("order", 4, minutes=1), proof("order", 3), proof("order", 2))
    assert proposed(found, target())[0] == {"order": "1.3"}


def test_nothing_ever_goes_back_to_what_was_proven_before() -> None:
    found = source(proof("order", 4, minutes=1), proof("order", 3, minutes=-1), proof("order", 2))
    assert proposed(found, target({"order": 3}))[0] == {}


def test_base_moves_when_every_service_that_it_touches_has_proven_it() -> None:
    closures = {
        OLD: {"order": "a", "print": "a"},
        NEW: {"order": "b", "print": "a"},
        NEWEST: {"order": "b", "print": "c"},
    }
    on_new = source(proof("order", 2, base=NEW, files="b"), proof("print", 1), closures=closures)
    assert proposed(on_new, target())[:2] == ({"order": "1.2"}, NEW)
    half = source(
        proof("order", 2, base=NEW, files="b"), proof("print", 1, base=NEWEST, files="c", minutes=2), closures=closures
    )
    assert proposed(half, target())[:2] == ({"order": "1.2"}, NEW)
    whole = source(proof("order", 2, base=NEW, files="b"), proof("print", 1, base=NEWEST, files="c"), closures=closures)
    assert proposed(whole, target())[:2] == ({"order": "1.2"}, NEWEST)


def test_commits_that_change_no_file_of_anybody_move_nothing() -> None:
    closures = {OLD: {"order": "a"}, NEW: {"order": "a"}}
    found = source(proof("order", 1, base=NEW), closures=closures)
    assert proposed(found, target({"order": 1}))[2].move.is_empty


def test_services_by_name_move_digests_alone() -> None:
    closures = {OLD: {"order": "a", "print": "a"}, NEW: {"order": "b", "print": "a"}}
    terms = PromotionTerms(SOAK, services=frozenset({"print"}))
    found = source(proof("order", 2, base=NEW, files="b"), proof("print", 3), closures=closures)
    assert proposed(found, target(), terms)[:2] == ({"print": "1.3"}, OLD)
    mixed = source(proof("print", 3, base=NEW, files="b"), proof("print", 2), closures=closures)
    assert proposed(mixed, target(), terms)[0] == {"print": "1.2"}


def test_what_was_rolled_back_is_never_proposed_again() -> None:
    gone = Rejection(service="order", digest=image("order", 3).digest or "", closure="a")
    found = source(proof("order", 3), proof("order", 2))
    moved, _, result = proposed(found, target(None, gone))
    assert moved == {"order": "1.2"}
    assert result.behind == ("order 1.3 was rolled back in test: push a new image",)
    with_other_files = gone.model_copy(update={"closure": "z"})
    assert proposed(found, target(None, with_other_files))[0] == {"order": "1.3"}
    whatever_files = gone.model_copy(update={"closure": ""})
    assert proposed(found, target(None, whatever_files))[0] == {"order": "1.2"}


def test_waived_gates_of_proof() -> None:
    young = source(proof("order", 2, minutes=0, ran=False))
    assert proposed(young, target(), PromotionTerms(timedelta(0)))[0] == {}
    assert proposed(young, target(), PromotionTerms(timedelta(0), needs_run=False))[0] == {"order": "1.2"}


def test_a_request_gets_what_was_there_at_its_commit() -> None:
    found = source(proof("order", 3, base=NEW), proof("order", 2))
    terms = PromotionTerms(SOAK, tagged=TaggedAt(OLD))
    moved, _, result = proposed(found, target(), terms)
    assert moved == {"order": "1.2"}
    assert result.behind == ("order 1.3 came to dev after the tagged commit",)


def test_an_image_edited_by_hand_is_said_and_kept_out() -> None:
    by_hand = {"order": image("order", 9), "print": image("print", 1)}
    wanted = target(written=by_hand)
    _, _, result = proposed(source(proof("print", 2)), wanted)
    assert [sentence[:40] for sentence in result.obstacles] == ["order: its image was edited on the trunk"]


def test_a_first_release_needs_everything_proven() -> None:
    nothing = target({}, release=Release(), written={"order": image("order", 1), "print": image("print", 1)})
    half = proposed(source(proof("order", 2)), nothing)[2]
    assert half.obstacles == ("print: the first release needs a proof of every service",)
    moved, base, whole = proposed(source(proof("order", 2), proof("print", 2)), nothing)
    assert (moved, base, whole.obstacles) == ({"order": "1.2", "print": "1.2"}, OLD, ())
