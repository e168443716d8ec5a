"""Which of a registry's tags a policy takes, and when a registry is swept: literals only."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.services import TagOrder, TagPolicy
from gitops.core.errors import Rejected
from gitops.core.image_updates import sweep, tag_policy
from gitops.core.image_updates.changes import ChangeTarget, DeployedImage, ImageCandidate, WrittenImage, decide
from gitops.core.image_updates.events import ImagePushed
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import TaggedImage

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def tagged(*tags: str, has_times: bool = True) -> list[TaggedImage]:
    """Each pushed a minute after the one before."""
    return [TaggedImage(tag, A, NOW + timedelta(minutes=n) if has_times else None) for n, tag in enumerate(tags)]


@pytest.mark.parametrize(
    ("policy", "tags", "chosen"),
    [
        (TagPolicy(semver=">=1 <2"), ("1.10.0", "1.9.0", "2.0.0", "latest"), "1.10.0"),
        (TagPolicy(semver=">=1 <2"), ("v1.2.0", "1.2.0"), "1.2.0"),
        (TagPolicy(pattern=r"^main-(\d+)$", order=TagOrder.NUMERIC), ("main-10", "main-9"), "main-10"),
        (TagPolicy(pattern=r"^b-.*$", order=TagOrder.ALPHABETICAL), ("b-z", "b-a"), "b-z"),
        (TagPolicy(pattern=r"^b-.*$", order=TagOrder.PUSHED), ("b-z", "b-a"), "b-a"),
        (TagPolicy(pattern=r"^b-.*$"), ("b-z", "b-a"), "b-a"),
        (TagPolicy(semver=">=3"), ("1.10.0", "latest"), None),
    ],
)
def test_a_policy_takes_the_tag_that_webhooks_would_have_ended_with(
    policy: TagPolicy, tags: tuple[str, ...], chosen: str | None
) -> None:
    found = sweep.choose(policy, tagged(*tags))
    assert (found.tag if found else None) == chosen


@pytest.mark.parametrize(
    "policy",
    [
        TagPolicy(semver=">=1 <2"),
        TagPolicy(pattern=r"^1\.(\d+)\.0$", order=TagOrder.NUMERIC),
        TagPolicy(pattern="^1.*$", order=TagOrder.ALPHABETICAL),
    ],
)
def test_a_rank_needs_no_push_times(policy: TagPolicy) -> None:
    found = sweep.choose(policy, tagged("1.2.0", "1.9.0", "1.3.0", has_times=False))
    assert found == TaggedImage("1.9.0", A)


def test_order_by_push_time_needs_them() -> None:
    policy = TagPolicy(pattern="^b-.*$", order=TagOrder.PUSHED)
    with pytest.raises(Rejected) as refused:
        sweep.choose(policy, tagged("b-1", "b-2", has_times=False))
    assert refused.value.reason == "NoPushTimes"
    assert sweep.choose(policy, tagged("b-1", "other", has_times=False)) == TaggedImage("b-1", A), "no choice, no doubt"


def test_an_event_says_when_it_was_pushed_or_that_nobody_knows() -> None:
    at = NOW - timedelta(hours=1)
    assert sweep.event("r.example/x", TaggedImage("1", A, at), NOW) == ImagePushed("r.example/x", "1", A, at)
    assert sweep.event("r.example/x", TaggedImage("1", A), NOW) == ImagePushed(
        "r.example/x", "1", A, NOW, is_exact=False
    )


def test_declared_is_what_every_follower_has() -> None:
    found, other = Image("r.example/x", "1", A), Image("r.example/x", "1", B)
    assert sweep.is_declared(found, {found})
    assert not sweep.is_declared(found, {found, other})
    assert not sweep.is_declared(found, ())


@pytest.mark.parametrize(
    ("written", "every"), [("", 300), (", sweep: {every: 1h}", 3600), (", sweep: {every: 1s}", 30)]
)
def test_how_often(written: str, every: int) -> None:
    text = f"""
registries: [{{host: r.example{written}}}]
services: {{x: {{image: r.example/x, tags: {{follow: latest}}}}, y: {{image: other.example/y, tags: {{follow: main}}}}}}
environments: {{dev: {{namespace: dev, images: newest}}}}
"""
    declared = pipeline.parse(text.encode())
    assert sweep.every(declared, "r.example") == timedelta(seconds=every)
    assert sweep.every(declared, "undeclared.example") == sweep.EVERY
    assert list(sweep.services(declared, "r.example")) == ["x"]
    assert len(sweep.unknown(declared, [])) == bool(written)
    assert not sweep.unknown(declared, ["r.example"])


POLICIES = {
    "semver": TagPolicy(semver=">=1 <3"),
    "numeric": TagPolicy(pattern=r"^\d+\.(\d+)\.0$", order=TagOrder.NUMERIC),
    "alphabetical": TagPolicy(pattern="^[12].*$", order=TagOrder.ALPHABETICAL),
    "pushed": TagPolicy(pattern="^[12].*$", order=TagOrder.PUSHED),
    "follow": TagPolicy(follow="1.1.0"),
}
TARGET = ChangeTarget("dev", "dev", "x")
PUSHES = st.lists(
    st.tuples(st.sampled_from(["1.1.0", "1.10.0", "2.1.0", "1.2.0", "latest"]), st.sampled_from("abcd")), max_size=12
)


def heard(policy: TagPolicy, pushes: list[TaggedImage]) -> Image | None:
    """The deployed image after all these webhooks were decided, one after another."""
    deployed = DeployedImage(None)
    for push in pushes:
        if tag_policy.rank(policy, push.tag) is None or push.pushed_at is None:
            continue
        found = ImageCandidate("x", Image("r.example/x", push.tag, push.digest), push.pushed_at)
        if decide(found, TARGET, deployed, policy) is None:
            deployed = DeployedImage(found.image, (WrittenImage(push.digest, push.pushed_at), *deployed.written))
    return deployed.image


@pytest.mark.parametrize("name", POLICIES)
@given(pushes=PUSHES, seed=st.randoms(use_true_random=False))
def test_a_sweep_ends_where_all_webhooks_would_have(name: str, pushes: list[tuple[str, str]], seed: Random) -> None:
    """In whatever order they come. A push of what stands under its tag already leaves no trace in a registry."""
    shelf: dict[str, TaggedImage] = {}
    events = []
    for minute, (tag, content) in enumerate(pushes):
        digest = f"sha256:{content * 64}"
        if tag not in shelf or shelf[tag].digest != digest:
            shelf[tag] = TaggedImage(tag, digest, NOW + timedelta(minutes=5 * minute))
            events.append(shelf[tag])
    policy = POLICIES[name]
    followed = [each for each in shelf.values() if policy.follow in {None, each.tag}]
    swept = sweep.choose(policy, followed)
    assert heard(policy, [swept] if swept else []) == heard(policy, events)
    late = [swept, *events] if swept else events
    assert heard(policy, late) == heard(policy, events), "webhooks that come after the sweep change nothing"
    seed.shuffle(events)
    assert heard(policy, [*events, *([swept] if swept else [])]) == heard(policy, [swept] if swept else [])
