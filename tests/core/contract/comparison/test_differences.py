"""The differences between two shapes: which ones are found, and which count as equal."""

import pytest

from tests.worlds.surveys import check_alone, contract, deployment

NOTHING = contract()
UNDECLARED = "Undeclared"


@pytest.mark.parametrize(
    ("base", "own"),
    [
        ("{replicas: 1}", "{replicas: 1}"),
        ("{overhead: {memory: 1Gi}}", "{overhead: {memory: 1024Mi}}"),
        ("{overhead: {cpu: 1000m}}", "{overhead: {cpu: 1}}"),
        ("{a: {port: 8080}}", '{a: {port: "8080"}}'),
        ("{accessModes: [a, b]}", "{accessModes: [b, a]}"),
        ("{a: null}", "{}"),
        ("{host: api-dev.example}", "{host: api-prod.example}"),
        ("{subject: {namespace: default}}", "{subject: {namespace: shop-prod}}"),
        ("{subject: {}}", "{subject: {namespace: shop-prod}}"),
    ],
)
def test_differences_leave_out_spelling_and_identity(base: str, own: str) -> None:
    assert check_alone(deployment(own), deployment(base), NOTHING) == []


def test_differences_leave_out_the_order_of_containers_and_variables() -> None:
    one = deployment(container="{env: [{name: A, value: x}, {name: B, value: y}]}")
    two = deployment(container="{env: [{name: B, value: y}, {name: A, value: x}]}")
    assert check_alone(one, two, NOTHING) == []


@pytest.mark.parametrize(
    ("base", "own", "field"),
    [
        ("{replicas: 1}", "{replicas: 2}", "/spec/replicas"),
        ("{replicas: 1}", "{}", "/spec/replicas"),
        ("{}", "{paused: true}", "/spec/paused"),
        ("{paused: true}", "{paused: 1}", "/spec/paused"),
        ("{a: {b: 1}}", "{a: {}}", "/spec/a/b"),
        ("{args: [a, b]}", "{args: [b, a]}", "/spec/args/0"),
        ("{host: api-dev.example}", "{host: api-dev2.example}", "/spec/host"),
        ("{subject: {namespace: monitoring}}", "{subject: {namespace: shop-prod}}", "/spec/subject/namespace"),
    ],
)
def test_differences_of_values_members_and_lists(base: str, own: str, field: str) -> None:
    found = check_alone(deployment(own), deployment(base), NOTHING)
    assert (UNDECLARED, "forbid", field) in found


def test_differences_in_the_order_of_init_containers() -> None:
    one = "{template: {spec: {initContainers: [{name: a}, {name: b}]}}}"
    two = "{template: {spec: {initContainers: [{name: b}, {name: a}]}}}"
    assert check_alone(deployment(two), deployment(one), NOTHING) == [
        (UNDECLARED, "forbid", "/spec/template/spec/initContainers")
    ]
