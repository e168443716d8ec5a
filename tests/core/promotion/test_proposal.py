"""What moves, what stays behind, and what each gate says: by literals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Hold, Rejection, Release, parse_release
from gitops.core.images.reference import Image
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion import gates, requests
from gitops.core.promotion import proposal as promotion
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.gates import SKIPPABLE, Gate, GateFacts
from gitops.core.promotion.proof import Proof
from gitops.core.promotion.proposal import PromotionSource, PromotionTarget, PromotionTerms, Proposal
from gitops.core.promotion.requests import Approval, PromotionRequest, RefusedRequest, SignedTag
from gitops.core.revision import Revision

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SOAK = timedelta(minutes=10)
OLD, NEW, NEWEST = "1" * 40, "2" * 40, "3" * 40


def image(service: str, number: int) -> Image:
    return Image(f"harbor.example/shop/{service}", f"1.{number}", f"sha256:{ord(service[0]):032x}{number:032x}")


def proof(
    service: str, number: int, *, base: str = OLD, files: str = "a", minutes: float = 10, ran: bool = True
) -> Proof:
    healthy = NOW if minutes >= 0 else None
    return Proof(
        service, image(service, number), files, "own", Revision(base, base), max(minutes, 0) * 60, healthy, ran
    )


def source(*proofs: Proof, closures: Mapping[str, Mapping[str, str]] | None = None) -> PromotionSource:
    by_service = {name: [each for each in proofs if each.service == name] for name in ("order", "print")}
    known = closures or {OLD: {"order": "a", "print": "a"}}
    steady = frozenset({"order", "print"})
    return PromotionSource("dev", NOW, by_service, lambda base: known.get(base, {}), steady)


def target(locked: Mapping[str, int] | None = None, *rejected: Rejection, **changes: object) -> PromotionTarget:
    at = {"order": 1, "print": 1} if locked is None else locked
    images = {service: image(service, number) for service, number in at.items()}
    release = Release(base=OLD, overlay=OLD, waived="adoption", rejected=rejected)
    return replace(PromotionTarget("test", release, images, images, lambda a, b: a > b), **changes)  # type: ignore[arg-type]


def proposed(
    found: PromotionSource, wanted: PromotionTarget, terms: PromotionTerms | None = None
) -> tuple[dict[str, str | None], str, Proposal]:
    result = promotion.propose(found, wanted, terms or PromotionTerms(SOAK))
    moved = {service: each.tag for service, each in result.move.images.items()}
    return moved, result.move.base, result


def test_what_another_overlay_of_the_environment_names_is_none_of_this_ones_business() -> None:
    lacks = {OLD: frozenset[str](), NEW: frozenset({"print"})}
    found = source(proof("order", 1), proof("print", 2, base=NEW), closures={OLD: {"order": "a"}, NEW: {"order": "b"}})
    alone = target({"order": 1}, lacks=lacks.__getitem__)
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
    assert result.behind == ("order 1.3 was rolled back here; push another one",)
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
    terms = PromotionTerms(SOAK, includes=lambda revision: revision.base <= OLD)
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


def promote(**fields: object) -> PromotePolicy:
    return PromotePolicy.model_validate_json(json.dumps({"when": "proven", **fields}))


def shut(wanted: PromotePolicy, **facts: object) -> list[tuple[Gate, str]]:
    return [(gate.gate, gate.message) for gate in gates.shut(wanted, NOW, GateFacts(**facts))]  # type: ignore[arg-type]


def test_each_gate_says_what_would_open_it() -> None:
    hold = Hold(who="Li", why="stocktaking", since=NOW, until=NOW + timedelta(hours=1))
    assert shut(promote()) == []
    ((gate, text),) = shut(promote(), hold=hold)
    assert gate is Gate.HOLD
    assert "Li until 2026-11-23T09:00:00+00:00: stocktaking" in text
    assert shut(promote(), hold=hold.model_copy(update={"until": NOW})) == []
    closed = {"allow": [{"cron": "0 10 * * 1-4", "duration": "7h", "timezone": "Asia/Shanghai"}]}
    assert shut(promote(windows=closed)) == []
    late = {"allow": [{"cron": "0 10 * * 2", "duration": "7h"}]}
    ((gate, text),) = shut(promote(windows=late))
    assert (gate, text[-20:]) == (Gate.WINDOWS, "2026-11-24 10:00 UTC")
    ((gate, text),) = shut(promote(scan={"max": "High"}), moved={"order": image("order", 2)})
    assert gate is Gate.SCAN
    assert text.startswith("harbor.example is being asked for the scan of order 1.2")
    assert shut(promote(scan={"max": "High"}), moved={"order": image("order", 2)}, waived={"scan": "no scanner"}) == []


def test_approvals_are_counted() -> None:
    two = promote(approvals={"count": 2})
    assert [gate for gate, _ in shut(two)] == [Gate.APPROVALS]
    assert shut(two, approved=1)[0][1].startswith("1 of 2 approvals")
    assert shut(two, approved=2) == []


def tag(message: str = "out with it\n", **fields: object) -> SignedTag:
    known = SignedTag("promote/prod/friday", "f" * 40, NEW, True, "promote/prod/friday", NOW, message)  # noqa: FBT003
    return replace(known, **fields)  # type: ignore[arg-type]


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
        (tag(name_inside="promote/test/friday"), "calls itself promote/test/friday"),
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


def committed(proofs: Sequence[Proof], **fields: object) -> Promotion:
    move = promotion.propose(source(*proofs), target(), PromotionTerms(SOAK)).move
    known = Promotion("test", "dev", (move,), promotion.release_hash("test", [move]), "proven for 10m")
    return replace(known, **fields)  # type: ignore[arg-type]


def test_what_is_committed() -> None:
    made = committed([proof("order", 2)], request="f" * 40, waived={"scan": "no scanner"})
    overlay = b'images:\n- name: harbor.example/shop/order\n  newTag: "1.1"  # by promotion\n  digest: sha256:0\n'
    files = promotion_commits.image_files(made.moves, {"test": "k.yaml"}, lambda _: overlay)
    assert files["k.yaml"] == overlay.replace(b'"1.1"', b'"1.2"').replace(
        b"sha256:0", (image("order", 2).digest or "").encode()
    )
    before = {"test": ("environments/test", Release(base=OLD, overlay=OLD))}
    written = promotion_commits.release_files(made, before, {"test": NEW})
    release = parse_release(written["environments/test/release.yaml"], "release.yaml")
    assert (release.base, release.overlay, release.waived) == (
        OLD,
        NEW,
        {OLD: "adoption", "scan": "no scanner"},
    )
    assert release.admission is not None
    assert release.admission.services["order"].since == NOW
    message = promotion_commits.release_message(made).splitlines()
    assert message[0] == "test: order 1.2 from dev"
    assert "Lockstep-Promoted-From: dev" in message
    assert "Lockstep-Proven-Since: 2026-11-23T08:00:00+00:00" in message
    assert f"Lockstep-Request: {'f' * 40}" in message
    assert "Lockstep-Waived: scan: no scanner" in message


def test_the_hash_of_a_release_is_of_all_that_changes() -> None:
    first = committed([proof("order", 2)])
    assert first.release == committed([proof("order", 2)]).release
    assert first.release != committed([proof("order", 3)]).release
    other = replace(first.moves[0], settings="changed")
    assert promotion.release_hash("test", [other]) != first.release
    assert promotion.release_hash("prod", first.moves) != first.release


def test_a_commit_names_what_was_waived_and_what_changes() -> None:
    waived = {"soak": "production is down", "scan": "production is down", "windows": "now or never"}
    made = committed([proof("order", 2)], waived=waived)
    message = promotion_commits.release_message(made)
    assert "Lockstep-Waived: soak, scan: production is down; windows: now or never\n" in message
    old, new = image("order", 1), image("order", 2)
    assert f"\norder: 1.1 ({old.short_digest}) -> 1.2 ({new.short_digest})\n" in message


def test_evidence_says_why_less_than_a_proof_was_enough() -> None:
    terms = PromotionTerms(timedelta(0), needs_run=False, waived="soak: production is down")
    adopted = target()
    move = promotion.propose(source(proof("order", 2, minutes=0, ran=False)), adopted, terms).move
    assert (move.evidence["order"].since, move.evidence["order"].waived) == (NOW, "soak: production is down")
    assert (move.evidence["print"].since, move.evidence["print"].waived) == (None, "adoption")
    alone = promotion.settings_alone(replace(adopted, settings="new", pending=True))
    assert {each.waived for each in alone.evidence.values()} == {"adoption"}
