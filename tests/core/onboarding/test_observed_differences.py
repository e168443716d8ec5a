"""Differences between environments as if no variation were declared: (environment, kind, name, path, extra)."""

from collections.abc import Mapping

from gitops.core.contract.survey import SurveyInput
from gitops.core.onboarding.observed_differences import find_differences, names_by_kind
from tests.worlds.surveys import bodies, config, contract, deployment

BOOK = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")


def inputs(owns: Mapping[str, str], reference: str) -> list[SurveyInput]:
    return [
        SurveyInput(name, name, bodies(own, f"shop-{name}"), "base", bodies(reference, "default"))
        for name, own in owns.items()
    ]


def found(owns: Mapping[str, str], reference: str) -> list[tuple[str, str, str, bool]]:
    return [
        (each.environment, each.ident.name, each.path, each.extra)
        for each in find_differences(inputs(owns, reference), BOOK)
    ]


def test_differences_from_the_reference() -> None:
    owns = {"dev": config(A="1", B="x"), "prod": config(A="2", B="x")}
    assert found(owns, config(A="1", B="x")) == [("prod", "settings", "/data/A", False)]


def test_differences_have_the_whole_values_of_both_sides() -> None:
    [difference] = find_differences(inputs({"prod": deployment("{replicas: 3}")}, deployment("{replicas: 1}")), BOOK)
    assert difference.values == (1, 3)


def test_differences_are_objects_that_one_side_lacks() -> None:
    assert found({"prod": config("own")}, config("base")) == [("prod", "own", "", True), ("prod", "base", "", False)]


def test_differences_of_objects_outside_base_are_those_from_the_first_environment() -> None:
    owns = {"dev": config("extra", A="1"), "test": config("extra", A="1"), "prod": config("extra", A="2")}
    assert found(owns, "") == [
        ("dev", "extra", "", True),
        ("test", "extra", "", True),
        ("prod", "extra", "", True),
        ("prod", "extra", "/data/A", False),
    ]


def test_differences_leave_out_versions_of_services() -> None:
    owns = {"prod": deployment(container="{image: 'r.example/app:2'}")}
    assert found(owns, deployment(container="{image: 'r.example/app:1'}")) == []


def test_names_by_kind_are_those_of_any_environment_or_the_reference() -> None:
    owns = {"dev": config("a") + deployment(), "prod": config("b")}
    assert names_by_kind(inputs(owns, config("c")), BOOK) == {
        "ConfigMap": frozenset({"a", "b", "c"}),
        "Deployment": frozenset({"order"}),
    }
