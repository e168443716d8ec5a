"""Tags that ask for a promotion, and tags that approve one, by literals."""

from dataclasses import replace

import pytest

from gitops.core.promotion import requests
from gitops.core.promotion.gates import SKIPPABLE
from gitops.core.promotion.requests import Approval, PromotionRequest, RefusedRequest, SignedTag
from tests.worlds.promotion_values import tag


def read(found: SignedTag) -> PromotionRequest | RefusedRequest:
    return requests.read(found, ("order", "print"), SKIPPABLE)


@pytest.mark.parametrize(
    ("message", "services", "waived"),
    [
        ("out with it\n", set(), {}),
        ("x\n\nServices: order, print\n", {"order", "print"}, {}),
        ("x\r\n\r\nServices: order\r\nNobody: knows\r\n", {"order"}, {}),
        ("x\n\n--skip-gate soak --reason production is down\n", set(), {"soak": "production is down"}),
        ("x\n--skip-gate=soak --skip-gate scan --reason 'a leak'", set(), {"soak": "a leak", "scan": "a leak"}),
        ("x\nSkip-Gate: soak, windows\nReason: a leak\n", set(), {"soak": "a leak", "windows": "a leak"}),
    ],
)
def test_what_the_message_of_a_tag_asks_for(message: str, services: set[str], waived: dict[str, str]) -> None:
    found = read(tag(message))
    assert isinstance(found, PromotionRequest)
    assert (found.services, found.waived) == (services, waived)
    again = requests.message("x", sorted(services), waived)
    assert isinstance(repeated := read(tag(again)), PromotionRequest)
    assert (repeated.services, repeated.waived) == (services, waived)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (tag(is_annotated=False), "lightweight tag"),
        (tag(name_inside="promote/test/friday"), "is named promote/test/friday"),
        (tag(name="promote/prod", name_inside="promote/prod"), "needs a name"),
        (tag("x\nServices: orders\n"), "no service is called orders"),
        (tag("x\nServices:\n\norder is what we want\n"), "`Services:` names none"),
        (tag("x\nSkip-Gate:\nsoak\nReason: x\n"), "`Skip-Gate:` names none"),
        (tag("x\nSkip-Gate: soak\nReason:\nnone\n"), "give a reason"),
        (tag("x\n--skip-gate soak\n"), "give a reason"),
        (tag("x\n--skip-gate all --reason x\n"), "there is no gate all"),
        (
            tag("x\n--skip-gate soak --skip-gate approvals --reason x\n"),
            "the gate approvals cannot be skipped: `skippable` in the controller's lockstep.yaml does not name it",
        ),
    ],
)
def test_tags_that_are_not_heard(found: SignedTag, why: str) -> None:
    refused = read(found)
    assert isinstance(refused, RefusedRequest)
    assert refused.environment == "prod"
    assert why in refused.message


def test_an_approval_names_both_on_lines_of_their_own() -> None:
    signed = {"name": "approve/prod/friday/wang", "name_inside": "approve/prod/friday/wang", "signer": "wang@example"}
    given = requests.approval(tag(requests.approval_message("r1", "c1").replace("\n", "\r\n"), **signed))
    assert given == Approval("r1", "c1", "wang@example")
    assert requests.approval(tag("Request:\nRelease: c1\n", **signed)) == Approval("", "c1", "wang@example")


def test_who_approves_counts_once_for_this_release_and_never_oneself() -> None:
    asked = read(tag(signer="li@example"))
    assert isinstance(asked, PromotionRequest)
    good = Approval(asked.id, "hash", "wang@example")
    given = [
        good,
        good,
        Approval(asked.id, "hash", "li@example"),
        Approval(asked.id, "other", "zhao@example"),
        Approval("e" * 40, "hash", "zhao@example"),
    ]
    assert requests.approvers(asked, "hash", given) == {"wang@example"}


def test_an_approval_is_a_signed_tag_under_its_own_name() -> None:
    name = "approve/prod/friday/wang"
    text = requests.approval_message("f" * 40, "a" * 64)
    signed = tag(text, name=name, name_inside=name, signer="wang@example")
    assert requests.approval(signed) == Approval("f" * 40, "a" * 64, "wang@example")
    assert requests.approval(replace(signed, signer=None)) is None
    assert requests.approval(replace(signed, name_inside="approve/test/friday/wang")) is None
    assert requests.approval(replace(signed, is_annotated=False)) is None
