"""The sections `services` and `registries` of pipeline.yaml."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from gitops.core.config_repo.services import RegistryPolicy, Service, TagOrder, TagPolicy


@pytest.mark.parametrize(
    "policy",
    [
        {"semver": ">=1.4 <2"},
        {"semver": "^1.2"},
        {"pattern": "^main-[0-9]+$", "order": "pushed"},
        {"pattern": "^main-([0-9]+)$", "order": "numeric"},
        {"follow": "latest"},
    ],
)
def test_tag_policy(policy: dict[str, str]) -> None:
    found = TagPolicy.model_validate(policy, strict=False)
    assert found.model_dump(exclude_none=True) == policy


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({}, "needs exactly one of semver, pattern, follow"),
        ({"semver": "1", "follow": "latest"}, "needs exactly one of semver, pattern, follow"),
        ({"semver": "1", "order": TagOrder.PUSHED}, "order needs a pattern"),
        ({"semver": "newest"}, "semver must be a range"),
        ({"semver": ""}, "semver must be a range"),
        ({"follow": "not a tag"}, "follow must be a tag"),
        ({"pattern": "main", "order": TagOrder.NUMERIC}, "needs a pattern with exactly one group"),
        ({"pattern": "("}, "is not a regular expression of RE2"),
    ],
)
def test_tag_policy_errors(policy: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TagPolicy.model_validate(policy)


@pytest.mark.parametrize(
    ("source", "sources"),
    [
        (None, ()),
        ("https://git.example/team/order", ("https://git.example/team/order",)),
        (["https://git.example/a", "git@git.example:b"], ("https://git.example/a", "git@git.example:b")),
    ],
)
def test_service_sources(source: object, sources: tuple[str, ...]) -> None:
    found = Service.model_validate({"image": "h.example/a", "tags": {"follow": "main"}, "source": source})
    assert found.sources == sources


@pytest.mark.parametrize("source", ["/srv/git/order", "https://me:secret@git.example/a", "nonsense", []])
def test_service_source_errors_quote_no_value(source: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Service.model_validate({"image": "h.example/a", "tags": {"follow": "main"}, "source": source})
    assert "secret" not in str(caught.value)


def test_registry_policy_sweep() -> None:
    found = RegistryPolicy.model_validate({"host": "h.example", "sweep": {"every": "5m"}})
    assert found.sweep is not None
    assert (found.host, found.aliases, found.sweep.every) == ("h.example", (), timedelta(minutes=5))
