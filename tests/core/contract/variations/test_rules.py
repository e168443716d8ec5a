"""Variations as rules: the objects, environments and fields that they cover."""

import pytest

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.variations.rules import first_covering, severity_of
from tests.worlds.surveys import check_alone, contract, deployment

UNDECLARED = "Undeclared"


def test_rules_select_by_kinds_objects_and_environments() -> None:
    base, own = deployment("{replicas: 1}"), deployment("{replicas: 2}")
    field = "field: /spec/replicas"
    assert check_alone(own, base, contract(f"[{{kinds: [Deployment], {field}}}]")) == []
    assert check_alone(own, base, contract(f"[{{objects: [{{kind: Deployment, name: 'ord*'}}], {field}}}]")) == []
    assert check_alone(own, base, contract(f"[{{environments: [prod], {field}}}]")) == []
    for other in ("kinds: [StatefulSet]", "objects: [{kind: Deployment, name: shop}]", "environments: [dev]"):
        assert check_alone(own, base, contract(f"[{{{other}, {field}}}]")) == [(UNDECLARED, "forbid", "/spec/replicas")]


def test_rules_that_are_declared_come_before_those_of_a_preset() -> None:
    rules = contract("[{preset: standard}, {name: own, field: /spec/replicas}]").rules
    assert [rule.preset for rule in rules[:2]] == [False, True]
    assert first_covering(rules, "/spec/replicas") is rules[0]


@pytest.mark.parametrize(("distinct", "expected"), [("true", ["a", "b"]), ("[a]", ["a"]), ("false", []), ("[]", [])])
def test_rules_require_distinct_values_of_some_keys_or_of_all(distinct: str, expected: list[str]) -> None:
    [rule] = contract(f"[{{field: '/data/*', distinct: {distinct}}}]").rules
    assert [key for key in ("a", "b") if rule.requires_distinct(key)] == expected


def test_rules_without_a_name_are_called_by_their_number() -> None:
    rules = contract("[{field: /a}, {name: b, field: /b}, {field: /c}]").rules
    assert [rule.label for rule in rules] == ["variations[0]", "b", "variations[2]"]


def test_severity_without_a_rule_is_forbid() -> None:
    [rule] = contract("[{field: /a}]").rules
    assert severity_of(first_covering([rule], "/a/b")) is ViolationSeverity.FREE
    assert severity_of(first_covering([rule], "/b")) is ViolationSeverity.FORBID
