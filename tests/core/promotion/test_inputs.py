"""Which proofs count under which terms, by literals."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gitops.core.config_repo.release import Rejection, Release
from gitops.core.promotion.inputs import PromotionTerms
from gitops.core.promotion.proof import Proof
from tests.worlds.promotion_values import NEW, OLD, SOAK, NewServicesByBase, TaggedAt, image, proof, target

TERMS = PromotionTerms(SOAK)


@pytest.mark.parametrize(
    ("terms", "found", "counts"),
    [
        (TERMS, proof("order", 2), True),
        (TERMS, proof("order", 2, minutes=9.9), False),
        (TERMS, proof("order", 2, minutes=-1), False),
        (TERMS, proof("order", 2, ran=False), False),
        (replace(TERMS, needs_run=False), proof("order", 2, ran=False), True),
        (replace(TERMS, soak=timedelta(0)), proof("order", 2, minutes=0), True),
        (replace(TERMS, digests={"order": image("order", 2).digest or ""}), proof("order", 2), True),
        (replace(TERMS, digests={"order": image("order", 2).digest or ""}), proof("order", 3), False),
        (replace(TERMS, digests={"order": image("order", 2).digest or ""}), proof("print", 3), True),
        (replace(TERMS, tagged=TaggedAt(OLD)), proof("order", 2, base=OLD), True),
        (replace(TERMS, tagged=TaggedAt(OLD)), proof("order", 2, base=NEW), False),
    ],
)
def test_terms_accept_a_proof(terms: PromotionTerms, found: Proof, counts: bool) -> None:  # noqa: FBT001
    assert terms.accepts(found, Release()) is counts


def test_terms_never_accept_what_was_rolled_back_here() -> None:
    gone = Rejection(service="order", digest=image("order", 2).digest or "", closure="a")
    assert not TERMS.accepts(proof("order", 2), Release(rejected=(gone,)))
    assert TERMS.accepts(proof("order", 2, files="b"), Release(rejected=(gone,)))


def test_a_target_knows_the_services_that_came_new_into_base() -> None:
    known = target(newcomers=NewServicesByBase({NEW: frozenset({"print"})}))
    assert (known.new_services(NEW), known.new_services(OLD)) == ({"print"}, frozenset())
    assert target().new_services(NEW) == frozenset()
