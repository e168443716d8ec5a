"""Which tags are followed and which is newer, by literals."""

import json

import pytest

from gitops.core.config_repo.services import TagPolicy
from gitops.core.image_updates import tag_policy


def policy(**fields: str) -> TagPolicy:
    return TagPolicy.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("range_", "followed", "ignored"),
    [
        (">=1.4 <2", ["1.4.0", "1.99.0", "v1.5.0"], ["1.3.9", "2.0.0", "1.5.0-rc.1", "latest", "1.5"]),
        ("^1.4", ["1.4.0", "1.9.9"], ["1.3.0", "2.0.0"]),
        ("^0.3", ["0.3.0", "0.3.9"], ["0.4.0", "0.2.9"]),
        ("~1.4.2", ["1.4.2", "1.4.9"], ["1.4.1", "1.5.0"]),
        ("1", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.0"]),
        ("=1.4", ["1.4.0", "1.4.7"], ["1.5.0"]),
        (">1.4", ["1.5.0"], ["1.4.0", "1.4.9"]),
        ("<=1.4", ["1.4.9", "1.3.0"], ["1.5.0"]),
        (">=1.4 !=1.4.2", ["1.4.1", "1.4.3"], ["1.4.2"]),
        (">=1.5.0-rc.1", ["1.5.0-rc.1", "1.5.0-rc.2", "1.5.0"], ["1.5.0-beta.1", "1.6.0-rc.1"]),
    ],
)
def test_a_semver_range_follows_what_it_covers(range_: str, followed: list[str], ignored: list[str]) -> None:
    found = policy(semver=range_)
    assert [tag for tag in followed if tag_policy.rank(found, tag) is None] == []
    assert [tag for tag in ignored if tag_policy.rank(found, tag) is not None] == []


@pytest.mark.parametrize(
    ("fields", "old", "new", "order"),
    [
        ({"semver": ">=1"}, "1.4.2", "1.10.0", 1),
        ({"semver": ">=1"}, "1.10.0", "1.4.2", -1),
        ({"semver": ">=1"}, "1.4.2", "v1.4.2", 0),
        ({"pattern": r"^main-(\d+)$", "order": "numeric"}, "main-9", "main-10", 1),
        ({"pattern": r"^main-(\d+)$", "order": "numeric"}, "main-09", "main-9", 0),
        ({"pattern": r"^2026-.*$", "order": "alphabetical"}, "2026-11-01", "2026-11-02", 1),
        ({"pattern": "^build-.*$", "order": "pushed"}, "build-a", "build-b", 0),
        ({"follow": "latest"}, "latest", "latest", 0),
    ],
)
def test_the_policy_orders_two_tags(fields: dict[str, str], old: str, new: str, order: int) -> None:
    found = policy(**fields)
    ranks = tag_policy.rank(found, new), tag_policy.rank(found, old)
    assert ranks[0] is not None
    assert ranks[1] is not None
    assert tag_policy.compare(ranks[0], ranks[1]) == order


@pytest.mark.parametrize(
    ("fields", "tag"),
    [
        ({"follow": "latest"}, "stable"),
        ({"pattern": r"^main-(\d+)$", "order": "numeric"}, "main-x"),
        ({"pattern": r"^main-(\w+)$", "order": "numeric"}, "main-x"),
        ({"pattern": r"^main-(\w+)$", "order": "numeric"}, "main-٣"),
        ({"semver": ">=1"}, "1.0.0-" + "a" * 130),
    ],
    ids=["another tag", "no match", "no number", "no ASCII number", "too long"],
)
def test_other_tags_are_not_followed(fields: dict[str, str], tag: str) -> None:
    assert tag_policy.rank(policy(**fields), tag) is None


def test_ranks_of_different_policies_are_level() -> None:
    assert tag_policy.compare(7, "latest") == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"semver": ">=1.4 <2"}, 'semver ">=1.4 <2"'),
        ({"follow": "latest"}, 'follow "latest"'),
        ({"pattern": "^b-.*$", "order": "pushed"}, 'pattern "^b-.*$"'),
    ],
)
def test_a_policy_is_described_as_pipeline_yaml_writes_it(fields: dict[str, str], words: str) -> None:
    assert tag_policy.describe(policy(**fields)) == words
