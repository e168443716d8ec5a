"""The content that a promotion writes into one overlay, and the hash that approvals bind to, by literals."""

from dataclasses import replace
from datetime import timedelta

from gitops.core.promotion.inputs import PromotionTerms
from gitops.core.promotion.proposal import propose
from gitops.core.promotion.release import OverlayMove, move_settings, release_hash
from tests.worlds.promotion_values import NOW, SOAK, proof, source, target


def move(number: int) -> OverlayMove:
    return propose(source(proof("order", number)), target(), PromotionTerms(SOAK)).move


def test_the_hash_of_a_release_is_of_all_that_changes() -> None:
    first = release_hash("test", [move(2)])
    assert first == release_hash("test", [move(2)])
    assert first != release_hash("test", [move(3)])
    assert first != release_hash("test", [replace(move(2), settings="changed")])
    assert first != release_hash("prod", [move(2)])


def test_evidence_says_why_less_than_a_proof_was_enough() -> None:
    terms = PromotionTerms(timedelta(0), needs_run=False, waived="soak: production is down")
    adopted = target()
    found = propose(source(proof("order", 2, minutes=0, ran=False)), adopted, terms).move
    assert (found.evidence["order"].since, found.evidence["order"].waived) == (NOW, "soak: production is down")
    assert (found.evidence["print"].since, found.evidence["print"].waived) == (None, "adoption")
    alone = move_settings(replace(adopted, settings="new", pending=True))
    assert {each.waived for each in alone.evidence.values()} == {"adoption"}
