"""The images that are proposed as services, and the tags that they follow."""

import pytest

from gitops.core.image_updates import tag_policy
from gitops.core.images import reference as images
from gitops.core.onboarding import services

DIGEST = "@sha256:" + "a" * 64


def proposed(*environments: list[str], overridden: frozenset[str] = frozenset()) -> services.ServiceProposal:
    return services.propose_services([[images.parse(each) for each in used] for used in environments], overridden)


def test_services_are_not_images_that_are_equal_everywhere() -> None:
    found = proposed(["envoy:1.30", "r/api:1.0.0"], ["envoy:1.30", "r/api:1.1.0"])
    assert set(found.loose) == {"api"}
    assert found.tracked == {}


def test_services_are_images_that_an_overlay_sets() -> None:
    assert set(proposed(["r/api:1.0.0"], ["r/api:1.0.0"], overridden=frozenset({"r/api"})).loose) == {"api"}


def test_services_are_tracked_if_pinned_everywhere() -> None:
    found = proposed([f"r/api:1.0.0{DIGEST}"], [f"r/api:1.1.0{DIGEST}"])
    assert {name: each.image for name, each in found.tracked.items()} == {"api": "r/api"}
    assert proposed([f"r/api:1.0.0{DIGEST}"], ["r/api:1.1.0"]).tracked == {}


def test_services_with_equal_names_in_two_registries() -> None:
    assert set(proposed(["a/x/api:1", "b/y/api:1"], ["a/x/api:2", "b/y/api:2"]).loose) == {"x-api", "y-api"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["1.4.2", "1.5.0"], 'semver ">=1.4 <2"'),
        (["v1.4.2", "v2.0.1"], 'semver ">=1.4 <3"'),
        (["0.3.1"], 'semver ">=0.0 <1"'),
        (["main-118", "main-90"], 'pattern "^main-\\d+$"'),
        (["SNAPSHOT-master-118"], 'pattern "^SNAPSHOT-master-\\d+$"'),
        (["fff9592", "573225d"], 'pattern "^[0-9a-f]{7,40}$"'),
        (["2024.01-rc1"], 'pattern "^\\d+\\.\\d+-rc\\d+$"'),
        (["latest"], 'follow "latest"'),
        (["dev", "prod"], 'follow "dev"'),
        ([""], 'follow "latest"'),
        ([".".join("1" * 50)], 'pattern "^.+$"'),
    ],
)
def test_tag_policy_fits_the_tags_of_today(tags: list[str], expected: str) -> None:
    found = services.propose_tag_policy(tags)
    assert tag_policy.describe(found) == expected
    assert tag_policy.rank(found, tags[0] or "latest") is not None
