"""Environments, their order and services, read from directory names."""

import pytest

from gitops.core.onboarding import directory_names as names


@pytest.mark.parametrize(
    ("directory", "environment"),
    [
        ("overlays/dev", "dev"),
        ("apps/shop/overlays/staging", "staging"),
        ("deploy/production", "production"),
        ("env/qa/api", "qa"),
        ("overlays/eu", "eu"),
        ("clusters/asia/overlays/prod", "prod"),
        ("envs/prod-eu", "prod-eu"),
        ("overlays/cicd", "cicd"),
        ("environments/overlays/dev", "dev"),
        ("PROD", "PROD"),
        ("base", None),
        ("base/dev", None),
        ("overlays/base", None),
        ("components/perf-team-reader", None),
        ("variants/non-prod", None),
        ("latest/contest", None),
    ],
)
def test_position_of_the_environment_in_a_path(directory: str, environment: str | None) -> None:
    at = names.position(directory)
    assert (None if at is None else directory.split("/")[at]) == environment


def test_predecessors_by_rank() -> None:
    found = names.predecessors(["prod", "uat", "dev", "qa"])
    assert found == {"dev": None, "qa": "dev", "uat": "qa", "prod": "uat"}
    assert list(found) == ["dev", "qa", "uat", "prod"]


def test_predecessors_share_words() -> None:
    found = names.predecessors(["prod-eu", "prod-us", "staging-us", "staging-eu", "qa"])
    assert found == {
        "qa": None,
        "staging-eu": "qa",
        "staging-us": "qa",
        "prod-eu": "staging-eu",
        "prod-us": "staging-us",
    }


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("apps/shop/overlays/dev", ("shop",)),
        ("overlays/dev/api", ("api",)),
        ("overlays/dev", ("app",)),
        ("apps/dev", ("apps",)),
        ("clusters/eu/overlays/dev", ("eu",)),
    ],
)
def test_service_path(directory: str, expected: tuple[str, ...]) -> None:
    at = names.position(directory)
    assert at is not None
    assert names.service_path(directory, at) == expected


def test_short_names_are_unique() -> None:
    found = names.short_names([("a", "api"), ("b", "api"), ("web",)])
    assert found == {("a", "api"): "a-api", ("b", "api"): "b-api", ("web",): "web"}


def test_short_names_that_would_be_equal_are_numbered() -> None:
    found = names.short_names([("A.b",), ("a-b",)])
    assert len(set(found.values())) == 2


@pytest.mark.parametrize(("text", "expected"), [("local.home", "local-home"), ("Prod_EU", "prod-eu"), ("--", "x")])
def test_label_is_a_dns_label(text: str, expected: str) -> None:
    assert names.label(text) == expected
