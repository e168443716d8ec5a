"""Paths of fields: literals in, paths out."""

from typing import Any

import pytest

from gitops.core.ownership import fields

CONTAINERS = "/spec/template/spec/containers"


@pytest.mark.parametrize(("name", "path"), [("a", "/metadata/a"), ("a/b", "/metadata/a~1b"), ("a~b", "/metadata/a~0b")])
def test_field_child_escapes_and_last_name_unescapes(name: str, path: str) -> None:
    assert fields.child("/metadata", name) == path
    assert fields.last_name(path) == name


@pytest.mark.parametrize(
    ("ancestor", "path", "expected"),
    [("/data", "/data", True), ("/data", "/data/a", True), ("/data", "/database", False), ("/data/a", "/data", False)],
)
def test_field_covers(ancestor: str, path: str, *, expected: bool) -> None:
    assert fields.covers(ancestor, path) is expected


@pytest.mark.parametrize(
    ("path", "items", "names"),
    [
        (CONTAINERS, [{"name": "a"}, {"name": "b"}], ["a", "b"]),
        (f"{CONTAINERS}/a/env", [{"name": "A", "value": "1"}], ["A"]),
        (f"{CONTAINERS}/a/volumeMounts", [{"name": "x", "mountPath": "/tmp"}], ["/tmp"]),
        (
            f"{CONTAINERS}/a/ports",
            [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
            ["80-TCP", "80-UDP"],
        ),
        ("/spec/ports", [{"port": 80}], ["80-TCP"]),
        ("/spec/ingress/0/ports", [{"port": 80}], None),
        (CONTAINERS, [{"name": "a"}, {"name": "a"}], None),
        (CONTAINERS, [{"name": "a"}, {}], None),
        ("/spec/hosts", ["a"], None),
        (CONTAINERS, [], None),
    ],
)
def test_field_item_names(path: str, items: list[Any], names: list[str] | None) -> None:
    assert fields.item_names(path, items) == names


def test_field_leaves() -> None:
    body = {"a": {"b": 1, "c": {}}, "containers": [{"name": "x", "args": ["1", "2"]}], "d": [], "e": None}
    assert dict(fields.leaves(body)) == {
        "/a/b": 1,
        "/a/c": {},
        "/containers/x/name": "x",
        "/containers/x/args/0": "1",
        "/containers/x/args/1": "2",
        "/d": [],
        "/e": None,
    }
    whole = dict(fields.leaves(body, into_positions=False))
    assert whole["/containers/x/args"] == ["1", "2"]
