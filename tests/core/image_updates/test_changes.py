"""From a pushed image to a change, or to the sentence that says why there is none: literals only."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.config_repo import pipeline, services
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.services import TagPolicy
from gitops.core.image_updates import tag_policy
from gitops.core.image_updates.changes import (
    Change,
    ChangeTarget,
    DeployedImage,
    ImageCandidate,
    WrittenImage,
    candidate,
    commit_message,
    decide,
    ignore_unused,
    one_line,
    read_written,
    targets,
)
from gitops.core.image_updates.events import Ignored, ImagePushed
from gitops.core.images.reference import Image

AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
APP = "harbor.tuling.internal/tuling/print-api"
NEW, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PIPELINE = pipeline.parse(
    b"""
registries:
- {host: harbor.tuling.internal, aliases: ['192.168.1.16:30002']}
services:
  print-api: {image: harbor.tuling.internal/tuling/print-api, tags: {semver: ">=1.4 <2"}}
  nginx: {image: docker.io/library/nginx, tags: {follow: stable}}
environments:
  dev: {namespace: dev, images: newest}
  test: {namespace: test, after: dev}
"""
)
EVENT = ImagePushed("192.168.1.16:30002/tuling/print-api", "1.5.0", NEW, AT)
FOUND = ImageCandidate("print-api", Image(APP, "1.5.0", NEW), AT)
DEV = ChangeTarget("dev", "dev", "print-api")
SEMVER = TagPolicy(semver=">=1.4 <2")
PUSHED = TagPolicy(pattern="main-.*", order=services.TagOrder.PUSHED)


def test_an_alias_of_the_registry_becomes_the_name_in_the_manifests() -> None:
    assert candidate(EVENT, PIPELINE) == FOUND
    assert candidate(replace(EVENT, image=APP.replace("harbor", "HARBOR", 1)), PIPELINE) == FOUND


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (replace(EVENT, tag=NEW), "pushed by digest"),
        (replace(EVENT, image="evil.example/tuling/print-api"), "registry evil.example is not declared"),
        (replace(EVENT, image="192.168.1.16:30002/tuling/other"), "no service of pipeline.yaml has the image"),
        (replace(EVENT, tag="2.0.0"), 'tag 2.0.0 is outside semver ">=1.4 <2"'),
        (replace(EVENT, tag="1.4.0-rc.1"), "outside semver"),
        (replace(EVENT, tag="x\nresources: [evil]"), "not a valid image reference"),
        (replace(EVENT, tag="latest:.."), "not a valid image reference"),
        (replace(EVENT, tag="1" * 300), "not a valid image reference"),
        (replace(EVENT, image="harbor.tuling.internal/../x"), "not a valid image reference"),
        (replace(EVENT, digest="sha256:xyz"), "not a valid image reference"),
    ],
)
def test_what_nobody_follows_is_ignored_with_the_reason(event: ImagePushed, reason: str) -> None:
    ignored = candidate(event, PIPELINE)
    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason
    assert "\n" not in ignored.reason


SINGLE = [Overlay("dev", "dev", "environments/dev", "dev"), Overlay("test", "test", "environments/test", "test")]
MANY = [Overlay(f"dev/{name}", "dev", f"environments/dev/{name}", "dev") for name in ("print-api", "other", "third")]


@pytest.mark.parametrize(
    ("overlays", "declaring", "expected"),
    [
        (SINGLE, (), ["dev"]),
        (MANY, (), ["dev/print-api"]),
        (MANY, ("dev/other",), ["dev/other"]),
        (MANY, ("dev/other", "dev/third"), ["dev/other", "dev/third"]),
    ],
)
def test_the_overlay_that_names_the_image_is_written(
    overlays: list[Overlay], declaring: tuple[str, ...], expected: list[str]
) -> None:
    places = targets(FOUND, PIPELINE, overlays, declaring)
    assert not isinstance(places, Ignored)
    assert [place.overlay for place in places] == expected


def test_without_an_overlay_the_answer_says_what_to_add() -> None:
    ignored = targets(FOUND, PIPELINE, MANY[1:], ())
    assert isinstance(ignored, Ignored)
    assert "environments/dev/print-api/kustomization.yaml" in ignored.reason


def deployed(tag: str | None, digest: str | None = OLD, at: datetime | None = AT) -> DeployedImage:
    past = (WrittenImage(digest, at),) if digest and at else ()
    return DeployedImage(Image(APP, tag, digest), past)


@pytest.mark.parametrize(
    ("now", "found", "policy", "expected"),
    [
        (DeployedImage(None), FOUND, SEMVER, None),
        (deployed("1.4.0"), FOUND, SEMVER, None),
        (deployed("1.4.0", None), FOUND, SEMVER, None),
        (deployed(None, OLD), FOUND, SEMVER, None),
        (deployed("latest"), FOUND, SEMVER, None),
        (deployed("1.5.0", NEW), FOUND, SEMVER, "is at 1.5.0 (aaaaaaaaaaaa) already"),
        (deployed("1.10.0"), FOUND, SEMVER, "1.5.0 is older than 1.10.0"),
        (deployed("1.5.0", at=AT - timedelta(seconds=1)), FOUND, SEMVER, None),
        (deployed("1.5.0", at=AT + timedelta(seconds=1)), FOUND, SEMVER, "superseded"),
        (deployed("main-9", at=AT + timedelta(seconds=1)), FOUND, PUSHED, None),
        (DeployedImage(Image(APP, "1.5.0", OLD), (), AT + timedelta(days=1)), FOUND, SEMVER, "superseded"),
        (DeployedImage(Image(APP, "1.5.0", OLD), (), AT - timedelta(days=1)), FOUND, SEMVER, None),
        (
            DeployedImage(Image(APP, "1.4.0", OLD), (WrittenImage(NEW, AT),)),
            FOUND,
            SEMVER,
            "was written before and has been replaced since",
        ),
        (DeployedImage(Image(APP, "1.4.0", OLD), (WrittenImage(NEW, AT - timedelta(days=1)),)), FOUND, SEMVER, None),
    ],
)
def test_what_is_newer_is_written(
    now: DeployedImage, found: ImageCandidate, policy: TagPolicy, expected: str | None
) -> None:
    ignored = decide(found, DEV, now, policy)
    assert (ignored is None) == (expected is None)
    if ignored is not None and expected is not None:
        assert expected in ignored.reason


@given(
    pushes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8).flatmap(st.permutations)
)
def test_any_order_with_any_repetition_ends_at_the_newest_push(pushes: list[tuple[int, int]]) -> None:
    policy = TagPolicy(follow="main")
    times: dict[int, int] = {}
    events = [
        ImageCandidate("x", Image(APP, "main", f"sha256:{time:064x}"), AT + timedelta(seconds=time))
        for time, _ in pushes
        if times.setdefault(time, 1)
    ]
    for order in itertools.islice(itertools.permutations(events), 24):
        now = DeployedImage(None)
        for found in (*order, *order):
            if decide(found, DEV, now, policy) is None:
                past = WrittenImage(found.image.digest or "", found.pushed_at)
                now = DeployedImage(found.image, (past, *now.written))
        assert now.image is not None
        assert now.pushed_at == max(found.pushed_at for found in events)


def test_an_image_that_no_container_uses_is_named() -> None:
    assert ignore_unused(DEV, FOUND.image, None) is None
    assert ignore_unused(DEV, FOUND.image, {APP}) is None
    ignored = ignore_unused(DEV, FOUND.image, {"other"})
    assert ignored == Ignored(f"no container of overlay dev uses image {APP}")


def test_a_commit_says_what_a_person_wants_to_read_and_where_it_came_from() -> None:
    change = Change(DEV, FOUND.image, Image(APP, "1.4.0", OLD), AT, "registry push, delivery d-1")
    assert commit_message(change) == (
        "dev: print-api 1.5.0 (sha256:aaaaaaaaaaaa)\n\n"
        f"Image: {APP}:1.5.0@{NEW}\nBefore: {APP}:1.4.0@{OLD}\n\n"
        "Lockstep-Environment: dev\nLockstep-Service: print-api\n"
        f"Lockstep-Image: {APP}:1.5.0\nLockstep-Digest: {NEW}\n"
        "Lockstep-Cause: registry push, delivery d-1\nLockstep-Pushed-At: 2026-11-01T08:00:00+00:00\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "a\n\nSigned-off-by: root",
        "[skip ci]",
        "\x1b[31mred",
        "a\r\nb",
        "\u2028x",
        "\u202etxt.exe",
        "***NO_CI***",
        "\x00",
    ],
)
def test_a11_text_from_outside_stays_one_harmless_line(text: str) -> None:
    change = Change(DEV, FOUND.image, None, AT, text)
    lines = commit_message(change).splitlines()
    assert len(lines) == 10
    assert not any(character in "[]\x1b\x00\u202e\u2028" or "***" in line for line in lines for character in line)


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 200
    assert not set(line) & set("[]{}\r\n")


def test_trailers_are_read_back_and_bad_ones_passed_over() -> None:
    good = {"Lockstep-Image": f"{APP}:1.5.0", "Lockstep-Digest": NEW, "Lockstep-Pushed-At": AT.isoformat()}
    bad = [
        {},
        {**good, "Lockstep-Digest": "sha256:1"},
        {**good, "Lockstep-Pushed-At": "yesterday"},
        {**good, "Lockstep-Pushed-At": "2026-11-01T08:00:00"},
        {**good, "Lockstep-Image": "other:1"},
    ]
    assert read_written([*bad, good])[APP] == (WrittenImage(NEW, AT),)


# -- tag policies

RANGES = {
    ">=1.4 <2": (
        {"1.4.0", "v1.4.0", "1.99.3"},
        {"1.3.9", "2.0.0", "2.0.0-rc.1", "1.5.0-rc.1", "1.4", "latest", "01.5.0"},
    ),
    "^1.4": ({"1.4.0", "1.9.0"}, {"1.3.0", "2.0.0"}),
    "^0.4.2": ({"0.4.2", "0.4.9"}, {"0.5.0", "0.4.1", "1.0.0"}),
    "^0.0.3": ({"0.0.3"}, {"0.0.4", "0.1.0"}),
    "^0": ({"0.1.0", "0.9.9"}, {"1.0.0"}),
    "~1.4": ({"1.4.0", "1.4.9"}, {"1.5.0"}),
    "~1.4.2": ({"1.4.2", "1.4.9"}, {"1.4.1", "1.5.0"}),
    "~1": ({"1.0.0", "1.9.0"}, {"2.0.0", "0.9.0"}),
    "1": ({"1.0.0", "1.9.0"}, {"2.0.0"}),
    "=1.4": ({"1.4.0", "1.4.7"}, {"1.5.0"}),
    "1.4.2": ({"1.4.2"}, {"1.4.3"}),
    ">1.4": ({"1.5.0"}, {"1.4.9", "1.4.0"}),
    ">1.4.2": ({"1.4.3"}, {"1.4.2"}),
    "<=1.4": ({"1.4.9", "0.1.0"}, {"1.5.0"}),
    "<=1.4.2": ({"1.4.2"}, {"1.4.3"}),
    "!=1.4.2 ^1": ({"1.4.1"}, {"1.4.2"}),
    ">=1.5.0-rc.1": ({"1.5.0-rc.1", "1.5.0-rc.2", "1.5.0", "1.6.0"}, {"1.5.0-beta", "1.6.0-rc.1"}),
}


@pytest.mark.parametrize("range_", RANGES)
def test_semver_ranges(range_: str) -> None:
    inside, outside = RANGES[range_]
    policy = TagPolicy(semver=range_)
    assert {tag for tag in inside | outside if tag_policy.rank(policy, tag) is not None} == inside


@pytest.mark.parametrize(
    ("policy", "rising"),
    [
        (TagPolicy(semver=">=0.0.0-0"), ["1.9.0", "1.10.0", "2.0.0"]),
        (TagPolicy(semver=">=1.0.0-0"), ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0"]),
        (TagPolicy(pattern=r"main-(\d+)", order=services.TagOrder.NUMERIC), ["main-9", "main-10", "main-0011"]),
        (TagPolicy(pattern=r"\d{4}-\d\d.*", order=services.TagOrder.ALPHABETICAL), ["2025-12", "2026-01", "2026-01a"]),
    ],
)
def test_order_within_a_policy(policy: TagPolicy, rising: list[str]) -> None:
    for older, newer in itertools.pairwise(rising):
        low, high = tag_policy.rank(policy, older), tag_policy.rank(policy, newer)
        assert low is not None
        assert high is not None
        assert (tag_policy.compare(high, low), tag_policy.compare(low, high), tag_policy.compare(low, low)) == (
            1,
            -1,
            0,
        )


def test_a_pattern_matches_whole_tags() -> None:
    policy = TagPolicy(pattern="main-.*", order=services.TagOrder.PUSHED)
    assert tag_policy.rank(policy, "main-1") == ""
    assert tag_policy.rank(policy, "xmain-1") is None
    assert tag_policy.rank(TagPolicy(follow="main"), "main-1") is None
    assert tag_policy.rank(TagPolicy(follow="main"), "main") == ""
    assert tag_policy.rank(policy, "main-" + "1" * 200) is None


@pytest.mark.parametrize(
    ("written_before", "seconds", "is_same"),
    [
        ([NEW], 0, True),
        ([NEW], 59, True),
        ([NEW], -59, True),
        ([NEW], 61, False),
        ([OLD], 0, False),
        ([OLD, NEW], 30, False),
    ],
)
def test_two_clock_readings_of_one_push_are_one_push(written_before: list[str], seconds: int, *, is_same: bool) -> None:
    """Newest first, ten seconds apart: what was written in between makes it another push."""
    last = len(written_before) - 1
    past = tuple(WrittenImage(each, AT + timedelta(seconds=10 * (last - n))) for n, each in enumerate(written_before))
    deployed = DeployedImage(Image(APP, "1.4.0", OLD), past)
    said = decide(replace(FOUND, pushed_at=AT + timedelta(seconds=seconds)), DEV, deployed, SEMVER)
    assert (said is not None) == is_same


def test_without_push_times_what_was_written_before_is_not_written_again() -> None:
    found = replace(FOUND, pushed_at=AT + timedelta(days=1), is_exact=False)
    now = Image(APP, "1.4.0", OLD)
    assert decide(found, DEV, DeployedImage(now, (WrittenImage(NEW, AT),)), SEMVER) is not None
    assert decide(found, DEV, DeployedImage(now, (WrittenImage(OLD, AT),)), SEMVER) is None
    event = replace(EVENT, is_exact=False)
    assert candidate(event, PIPELINE) == replace(FOUND, is_exact=False)
