"""The rule book of a pipeline.yaml: scopes, identities, rules of an object, images of services."""

import pytest

from gitops.core.contract.comparison.shapes import DeployScope, ObjectIdentity
from gitops.core.contract.variations.rule_book import REFERENCE, reference_scope
from tests.worlds.surveys import contract

ENVIRONMENTS = "{dev: {namespace: shop-dev}, prod: {namespace: shop-prod, prefix: eu-, after: dev}}"
VARIATIONS = """
- {name: replicas, field: /spec/replicas}
- {name: for-prod, field: /spec/paused, environments: [prod]}
- {name: scaler, objects: [{kind: HorizontalPodAutoscaler, name: '*'}], environments: [prod]}
"""
BOOK = contract(VARIATIONS, environments=ENVIRONMENTS, services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
DEPLOYMENT = ObjectIdentity("apps", "Deployment", "", "order")
SCALER = ObjectIdentity("autoscaling", "HorizontalPodAutoscaler", "", "order")


def test_scope_is_the_namespace_and_prefix_of_the_environment() -> None:
    assert BOOK.scope("prod") == DeployScope(frozenset({"shop-prod"}), "eu-", "")


def test_scope_of_the_reference_has_all_of_its_namespaces_and_default() -> None:
    found = [{"metadata": {"namespace": "a"}}, {"metadata": {}}]
    assert reference_scope(found) == DeployScope(frozenset({"a", "default"}))


def test_shared_identity_is_the_same_in_all_environments() -> None:
    names = {"dev": "gateway-dev", "prod": "gateway-prod", REFERENCE: "gateway-dev"}
    found = {
        BOOK.shared_identity(ObjectIdentity("", "Service", "", name), environment)
        for environment, name in names.items()
    }
    assert len(found) == 1


def test_sides_take_out_each_environments_own_names() -> None:
    sides = BOOK.sides("dev", "prod")
    assert sides.before("x-dev") == sides.after("x-prod")
    assert sides.before("x-prod") == "x-prod"


@pytest.mark.parametrize(
    ("environments", "expected"),
    [(("dev",), ["replicas"]), (("prod",), ["replicas", "for-prod"]), (("dev", "prod"), ["replicas", "for-prod"])],
)
def test_field_rules_are_those_of_any_of_the_environments(environments: tuple[str, ...], expected: list[str]) -> None:
    assert [rule.label for rule in BOOK.field_rules(DEPLOYMENT, environments)] == expected


def test_presence_rule_is_one_without_a_field() -> None:
    found = BOOK.presence_rule(SCALER, ("prod",))
    assert found is not None
    assert found.label == "scaler"
    assert BOOK.presence_rule(SCALER, ("dev",)) is None
    assert BOOK.presence_rule(DEPLOYMENT, ("prod",)) is None


def test_last_environment_is_the_one_that_none_comes_after() -> None:
    assert [name for name in BOOK.order if BOOK.is_last(name)] == ["prod"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("r.example/app:1.2", "r.example/app:1.2"), ("nginx:1", "None"), ("r.example/app:a:b", "None"), (3, "None")],
)
def test_service_image_is_that_of_a_declared_service(value: object, expected: str) -> None:
    assert str(BOOK.service_image(value)) == expected


def test_standard_preset_is_known() -> None:
    assert contract("[{preset: standard}]").has_standard_preset
    assert not BOOK.has_standard_preset
