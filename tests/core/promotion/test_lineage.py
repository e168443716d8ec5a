"""The way of an image through the environments, from the commits of a week."""

from dataclasses import replace

import pytest

from gitops.core.config_repo.release import Release
from gitops.core.promotion.lineage import LineageAction, LineageEntry, lineages, read_action, timeline
from tests.status_page import past
from tests.status_page.past import BAD_TAG, HOLD, digest
from tests.status_page.sample import BEHIND, NOW, REGISTRY, TAGS, ago, commit, image

WEEK = past.entries()
ORDER = f"{REGISTRY}/order"
NEW, BAD, OLD = TAGS["order"], BAD_TAG, BEHIND["order"]


def entry(path: str, **held: object) -> LineageEntry:
    found = LineageEntry("c" * 40, NOW, "A <a@x>", "subject", paths=(f"environments/{path}",))
    return replace(found, **held)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (WEEK[0], LineageAction.PROMOTION),
        (WEEK[1], LineageAction.IMAGE),
        (WEEK[2], LineageAction.ROLLBACK),
        (entry("prod/hold.yaml", holds={"prod": HOLD}), LineageAction.HOLD),
        (entry("prod/hold.yaml", holds={"prod": None}), LineageAction.RESUME),
        (entry("prod/release.yaml", releases={"prod": Release(waived="adoption")}), LineageAction.RELEASE),
        (entry("prod/release.yaml", releases={"prod": None}), LineageAction.RELEASE),
        (entry("prod/kustomization.yaml"), None),
        (entry("test/kustomization.yaml", trailers={"Lockstep-Promoted-From": "dev"}), None),
        (entry("dev/x.yaml", trailers={"Lockstep-Digest": "sha256:nonsense", "Lockstep-Service": "order"}), None),
        (entry("dev/x.yaml", trailers={"Lockstep-Release": "forged"}), None),
    ],
)
def test_what_a_commit_did_is_told_by_what_it_left(told: LineageEntry, what: LineageAction | None) -> None:
    assert read_action(told) is what


def test_the_timeline_tells_promotions_and_what_was_new_by_them() -> None:
    shown = timeline(WEEK, 100)

    assert [(event.action, event.environments[0], [each.tag for each in event.moved]) for event in shown] == [
        (LineageAction.PROMOTION, "test", [NEW]),
        (LineageAction.ROLLBACK, "prod", [OLD]),
        (LineageAction.PROMOTION, "prod", [BAD]),
        (LineageAction.PROMOTION, "test", [BAD]),
        (LineageAction.PROMOTION, "prod", []),
        (LineageAction.PROMOTION, "test", []),
    ]
    assert shown[1].hold == HOLD
    assert (shown[2].waived, shown[2].request, shown[2].source) == ({"soak": "hot fix"}, past.REQUEST, "test")
    assert shown[2].proven_since == ago(days=1, hours=4)


def test_the_timeline_is_bounded() -> None:
    assert timeline(WEEK, 2) == timeline(WEEK, 100)[:2]


def test_an_image_is_followed_from_the_registry_to_the_last_environment() -> None:
    newest, bad, old = lineages(WEEK, "order", ORDER)

    assert [line.digest for line in (newest, bad, old)] == [digest("order", tag) for tag in (NEW, BAD, OLD)]
    assert (newest.image, newest.pushed_at) == (image("order", NEW), ago(hours=4))
    assert newest.source_revision == commit(f"source of {NEW}")
    assert [(each.action, each.overlay) for each in newest.arrivals] == [
        (LineageAction.IMAGE, "dev"),
        (LineageAction.PROMOTION, "test"),
    ]
    assert newest.arrivals[1].proven_since == ago(hours=4)
    assert [(each.action, each.overlay) for each in old.arrivals] == [
        (LineageAction.IMAGE, "dev"),
        (LineageAction.PROMOTION, "test"),
        (LineageAction.PROMOTION, "prod"),
        (LineageAction.ROLLBACK, "prod"),
    ]


def test_what_a_rollback_abandoned_is_marked_with_the_commit() -> None:
    _, bad, old = lineages(WEEK, "order", ORDER)

    assert [(each.overlay, each.entry.commit) for each in bad.abandoned] == [("prod", commit("rollback"))]
    assert old.abandoned == ()


def test_nothing_is_known_of_other_services() -> None:
    assert lineages(WEEK, "gateway", f"{REGISTRY}/gateway") == ()


def test_an_environment_is_that_of_the_files_not_of_what_a_trailer_claims() -> None:
    forged = replace(WEEK[1], trailers={**WEEK[1].trailers, "Lockstep-Environment": "prod"})

    assert lineages([forged], "order", ORDER)[0].arrivals[0].environment == "dev"


def test_a_digest_is_called_as_it_was_pushed_last() -> None:
    again = replace(WEEK[1], trailers={**WEEK[1].trailers, "Lockstep-Image": f"{ORDER}:latest-master"})

    assert lineages([again, *WEEK], "order", ORDER)[0].image.tag == "latest-master"


def test_what_was_there_before_anything_is_known_did_not_move_by_a_promotion() -> None:
    assert timeline(WEEK[-2:], 9)[0].moved == ()
