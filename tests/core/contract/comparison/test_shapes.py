"""The shape of an object: leaves without the place that it is deployed to."""

from typing import Any

import pytest

from gitops.core.contract.comparison.shapes import OWN_NAMESPACE, DeployScope, ObjectIdentity, shape_objects
from tests.worlds.surveys import bodies, check_alone, config, contract, deployment

SCOPE = DeployScope(frozenset({"shop-prod"}), prefix="eu-", suffix="-x")


def leaves(body: dict[str, Any]) -> dict[str, Any]:
    [shape] = shape_objects([{"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, **body}], SCOPE)
    return dict(shape.leaves)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"spec": {"a": {"b": 1}, "c": None, "d": {}, "e": []}}, {"/spec/a/b": 1, "/spec/d": {}, "/spec/e": []}),
        ({"spec": {"list": ["b", "a"]}}, {"/spec/list/0": "b", "/spec/list/1": "a"}),
        ({"spec": {"verbs": ["b", "a"]}}, {"/spec/verbs/0": "a", "/spec/verbs/1": "b"}),
        ({"spec": {"add": ["b", "a"]}}, {"/spec/add/0": "b", "/spec/add/1": "a"}),
        (
            {"spec": {"capabilities": {"add": ["b", "a"]}}},
            {"/spec/capabilities/add/0": "a", "/spec/capabilities/add/1": "b"},
        ),
        ({"spec": {"env": [{"name": "A", "value": "x"}]}}, {"/spec/env/A/name": "A", "/spec/env/A/value": "x"}),
        ({"spec": {"namespace": "shop-prod"}}, {"/spec/namespace": OWN_NAMESPACE}),
        (
            {"spec": {"namespace": "monitoring", "other": "shop-prod"}},
            {"/spec/namespace": "monitoring", "/spec/other": "shop-prod"},
        ),
        ({"status": {"a": 1}, "spec": {"a": 1}}, {"/spec/a": 1}),
    ],
)
def test_leaves(body: dict[str, Any], expected: dict[str, Any]) -> None:
    found = leaves(body)
    assert {path: value for path, value in found.items() if path not in {"/apiVersion", "/kind"}} == expected


def test_leaves_of_metadata_have_no_identity_and_nothing_that_the_server_writes() -> None:
    metadata = {"name": "a", "namespace": "shop-prod", "creationTimestamp": "now", "labels": {"a/b": "c"}}
    assert leaves({"metadata": metadata}) == {"/apiVersion": "v1", "/kind": "Thing", "/metadata/labels/a~1b": "c"}


def test_identity_has_no_own_namespace_and_a_bare_name() -> None:
    own, other = config("eu-a-x"), config("eu-x").replace("name: eu-x", "name: eu-x\n  namespace: monitoring")
    found = shape_objects(bodies(own + other, "shop-prod"), SCOPE)
    assert [shape.ident for shape in found] == [
        ObjectIdentity("", "ConfigMap", "", "a"),
        ObjectIdentity("", "ConfigMap", "monitoring", "eu-x"),
    ]
    assert [shape.key.name for shape in found] == ["eu-a-x", "eu-x"]


@pytest.mark.parametrize(
    ("spec", "path", "names"),
    [
        ({"initContainers": [{"name": "b"}, {"name": "a"}]}, "/spec/initContainers", ("b", "a")),
        ({"env": [{"name": "B", "value": "1"}, {"name": "A", "value": "$(B)"}]}, "/spec/env", ("B", "A")),
        ({"env": [{"name": "B", "value": "1"}, {"name": "A", "value": "2"}]}, "", ()),
        ({"containers": [{"name": "b"}, {"name": "a"}]}, "", ()),
    ],
)
def test_orders_are_those_of_init_containers_and_dependent_variables(
    spec: dict[str, Any], path: str, names: tuple[str, ...]
) -> None:
    [shape] = shape_objects([{"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}], SCOPE)
    assert shape.orders == ({path: names} if path else {})


def test_shapes_have_no_declared_prefix_or_suffix_not_even_in_references() -> None:
    rules = contract(environments="{prod: {namespace: shop-prod, prefix: eu-, suffix: -x}}")
    base = config("a", k="v") + deployment("{ref: a}")
    own = config("eu-a-x", k="v") + deployment("{ref: eu-a-x}", name="eu-order-x")
    assert check_alone(own, base, rules) == []
