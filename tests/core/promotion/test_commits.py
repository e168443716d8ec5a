"""A promotion as files and messages, by literals."""

from collections.abc import Sequence
from dataclasses import replace

from gitops.core.config_repo.release import Release, parse_release
from gitops.core.promotion import commits
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.inputs import PromotionTerms
from gitops.core.promotion.proof import Proof
from gitops.core.promotion.proposal import propose
from gitops.core.promotion.release import release_hash
from tests.worlds.promotion_values import NEW, NOW, OLD, SOAK, image, proof, source, target


def committed(proofs: Sequence[Proof], **fields: object) -> Promotion:
    move = propose(source(*proofs), target(), PromotionTerms(SOAK)).move
    known = Promotion("test", "dev", (move,), release_hash("test", [move]), "proven for 10m")
    return replace(known, **fields)  # type: ignore[arg-type]


def test_what_is_committed() -> None:
    made = committed([proof("order", 2)], request="f" * 40, waived={"scan": "no scanner"})
    overlay = b'images:\n- name: harbor.example/shop/order\n  newTag: "1.1"  # by promotion\n  digest: sha256:0\n'
    files = commits.image_files(made.moves, {"test": "k.yaml"}, {"k.yaml": overlay})
    assert files["k.yaml"] == overlay.replace(b'"1.1"', b'"1.2"').replace(
        b"sha256:0", (image("order", 2).digest or "").encode()
    )
    before = {"test": ("environments/test", Release(base=OLD, overlay=OLD))}
    written = commits.release_files(made, before, {"test": NEW})
    release = parse_release(written["environments/test/release.yaml"], "release.yaml")
    assert (release.base, release.overlay, release.waived) == (
        OLD,
        NEW,
        {OLD: "adoption", "scan": "no scanner"},
    )
    assert release.admission is not None
    assert release.admission.services["order"].since == NOW
    message = commits.release_message(made).splitlines()
    assert message[0] == "test: order 1.2 from dev"
    assert "Lockstep-Promoted-From: dev" in message
    assert "Lockstep-Proven-Since: 2026-11-23T08:00:00+00:00" in message
    assert f"Lockstep-Request: {'f' * 40}" in message
    assert "Lockstep-Waived: scan: no scanner" in message


def test_a_commit_names_what_was_waived_and_what_changes() -> None:
    waived = {"soak": "production is down", "scan": "production is down", "windows": "now or never"}
    made = committed([proof("order", 2)], waived=waived)
    message = commits.release_message(made)
    assert "Lockstep-Waived: soak, scan: production is down; windows: now or never\n" in message
    old, new = image("order", 1), image("order", 2)
    assert f"\norder: 1.1 ({old.short_digest}) -> 1.2 ({new.short_digest})\n" in message
