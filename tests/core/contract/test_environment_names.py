"""Names of environments in texts: an environment's own names are identity, the names of others are found."""

import pytest

from gitops.core.contract.environment_names import EnvironmentNames, has_word, values_only

WORDS = EnvironmentNames({"dev": "shop-dev", "dev-eu": "shop-eu", "test": "shop-test", "prod": "shop-prod"})


def named(text: str) -> list[tuple[str, bool]]:
    return [(mention.word, mention.hard) for mention in WORDS.find_mentions(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jdbc:mysql://rm-prod.mysql.example:3306/shop", [("prod", False)]),
        ("redis.shop-test.svc:6379", [("shop-test", True)]),
        ("redis.test.svc.cluster.local", [("test", True)]),
        ("shop-dev-pictures", [("shop-dev", True)]),
        ("x-dev-eu-y", [("dev-eu", False)]),
        ("https://prod.shop.example/test/x", [("prod", False), ("test", False)]),
    ],
)
def test_mentions_of_environments(text: str, expected: list[tuple[str, bool]]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        "development",
        "products",
        "/dev/null",
        "cat /dev/urandom",
        "--device=/dev/sda",
        "https://shop.dev/path",
        "golang.dev",
        "mail@example.test",
        "contest",
        "non-prod",
        "NON_PROD".lower(),
        "db-no-test-x",
    ],
)
def test_mentions_leave_out_devices_domain_endings_and_negations(text: str) -> None:
    assert named(text) == []


def test_neutralize_replaces_own_names_and_leaves_others() -> None:
    assert WORDS.neutralize("shop-dev/dev/test", "dev") == "⟨namespace⟩/⟨environment⟩/test"
    assert WORDS.neutralize("a-prod", "") == WORDS.neutralize("a-dev", "")


def test_names_of_environments_that_share_a_namespace() -> None:
    words = EnvironmentNames({"dev": "shop", "prod": "shop"})
    assert words.neutralize("shop", "dev") == words.neutralize("shop", "prod") == "⟨namespace⟩"
    assert [mention.environments for mention in words.find_mentions("shop")] == [frozenset({"dev", "prod"})]


def test_values_only_leaves_out_comments_and_property_names() -> None:
    text = "# as in prod\nspring.profiles.test: x\n- dev: y\ntest=z\nurl: http://prod\n"
    assert named(values_only(text)) == [("prod", False)]


def test_has_word_finds_whole_words() -> None:
    assert has_word("jdbc:mysql://db-1:3306", "db-1")
    assert not has_word("jdbc:mysql://db-12:3306", "db-1")
    assert has_word("db-12 and db-1", "db-1")


def test_names_in_long_texts_are_found_in_time() -> None:
    """Each of these took minutes once."""
    assert values_only("\n" * 200_000) == "\n" * 200_000
    assert len(named("prod " * 20_000)) == 20_000
