"""Environments beside each other: overlay -> its violations as (reason, severity, field)."""

from dataclasses import replace

from gitops.core.contract.cross_environment import check_all, check_one
from tests.worlds.surveys import check_together, config, contract, survey_of

RULES = contract("[{name: db, field: '/data/*', distinct: [DB_URL]}]")
EXTRA_RULES = "[{objects: [{kind: ConfigMap, name: extra}]}, {field: /data/free}]"


def test_charged_is_the_earlier_environment_if_nothing_is_known_of_before() -> None:
    owns = {name: config(DB_URL=url) for name, url in (("dev", "a"), ("test", "b"), ("prod", "a"))}
    assert check_together(owns, config(), RULES) == {"dev": [("NotDistinct", "forbid", "/data/DB_URL")]}


def test_charged_is_the_environment_that_changed() -> None:
    owns = {"dev": config(DB_URL="a"), "prod": config(DB_URL="a")}
    assert list(check_together(owns, config(), RULES, {"prod"})) == ["prod"]
    assert list(check_together(owns, config(), RULES, {"prod", "dev"})) == ["dev"]


def test_objects_outside_base_must_be_equal_except_for_declared_fields_and_identity() -> None:
    owns = {
        "dev": config("extra", a="1", free="1", host="x-dev"),
        "test": config("extra", a="1", free="2", host="x-test"),
        "prod": config("extra", a="2", free="3", host="x-prod"),
    }
    found = check_together(owns, "", contract(EXTRA_RULES))
    assert found == {"dev": [("Undeclared", "forbid", "/data/a")]}


def test_objects_outside_base_are_not_compared_between_base_revisions() -> None:
    rules = contract(EXTRA_RULES)
    one = replace(survey_of(config("extra", a="1"), "", rules, "dev"), base="one")
    two = replace(survey_of(config("extra", a="2"), "", rules, "prod"), base="two")
    assert check_all([one, two], rules) == {"dev": (), "prod": ()}


def test_before_counts_the_render_that_still_runs() -> None:
    dev, prod = (survey_of(config(DB_URL="a"), config(), RULES, name) for name in ("dev", "prod"))
    had = survey_of(config(DB_URL="a"), config(), RULES, "prod")
    other = survey_of(config(DB_URL="b"), config(), RULES, "prod")
    assert [each.against for each in check_one(prod, [dev], RULES, {"prod": other})] == ["dev"]
    assert check_one(prod, [dev], RULES, {"prod": had}) == ()
    assert [each.against for each in check_one(dev, [prod], RULES, {"prod": had})] == ["prod"]
