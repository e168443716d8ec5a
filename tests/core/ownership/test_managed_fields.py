"""metadata.managedFields: entries and elements."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gitops.core.ownership import managed_fields
from gitops.core.ownership.managed_fields import FieldOwner

TREE: dict[str, Any] = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}, "f:args": {}},
}


def body(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ("f:spec", "spec"),
        ("f:a/b", "a/b"),
        ('k:{"name":"app"}', "app"),
        ('k:{"containerPort":8080,"protocol":"TCP"}', "8080-TCP"),
        ('v:"x"', "x"),
        ("v:7", "7"),
        ("i:0", "0"),
    ],
)
def test_managed_field_element_name(element: str, name: str) -> None:
    assert managed_fields.element_name(element) == name


def test_managed_field_leaf_paths() -> None:
    assert set(managed_fields.leaf_paths(TREE)) == {"/metadata/labels/app", "/spec/ports/80-TCP/port", "/spec/args"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"manager": "us", "operation": "Apply", "fieldsV1": TREE}, TREE),
        ({"manager": "us", "operation": "Apply"}, {}),
        ({"manager": "us", "operation": "Update", "fieldsV1": TREE}, None),
        ({"manager": "us", "operation": "Apply", "subresource": "status", "fieldsV1": TREE}, None),
        ({"manager": "them", "operation": "Apply", "fieldsV1": TREE}, None),
    ],
)
def test_managed_fields_applied_by_us(entry: dict[str, Any], expected: object) -> None:
    assert managed_fields.read_applied(body(entry), "us") == expected


def test_managed_fields_of_an_object_without_any() -> None:
    assert managed_fields.entries({"metadata": {}}) == []
    assert managed_fields.elements({}) == {}


@pytest.mark.parametrize(
    ("entry", "owner"),
    [
        (
            {"manager": "hpa", "operation": "Update", "subresource": "scale", "time": "2026-11-23T08:00:00Z"},
            FieldOwner("/a", "hpa", datetime(2026, 11, 23, 8, tzinfo=UTC), "Update of scale"),
        ),
        ({"manager": "console", "operation": "Update"}, FieldOwner("/a", "console", None, "Update")),
        ({}, FieldOwner("/a", "")),
    ],
)
def test_managed_field_owner(entry: dict[str, Any], owner: FieldOwner) -> None:
    assert managed_fields.owner("/a", entry) == owner
