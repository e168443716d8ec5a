"""Fields of others -> the JSON patch that takes them out of the object as it was read, and of no other."""

from typing import Any

from gitops.core.ownership.field_removal import removal_patch

BODY: dict[str, Any] = {
    "metadata": {"name": "order", "resourceVersion": "42", "annotations": {"a/b": "1"}},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {"name": "side", "image": "x"},
                    {"name": "app", "env": [{"name": "A"}, {"name": "DEBUG"}, {"name": "MORE"}]},
                ],
                "hostAliases": [{"ip": "1.2.3.4"}],
            }
        }
    },
}
CONTAINERS = "/spec/template/spec/containers"
VERSION = {"op": "test", "path": "/metadata/resourceVersion", "value": "42"}


def removed(*paths: str) -> list[str]:
    return [str(operation["path"]) for operation in removal_patch(BODY, paths) if operation["op"] == "remove"]


def test_field_removal_tests_the_version_first() -> None:
    assert removal_patch(BODY, ["/spec/template/spec/hostAliases"])[0] == VERSION


def test_field_removal_finds_and_tests_items_by_their_merge_key() -> None:
    assert removal_patch(BODY, [f"{CONTAINERS}/app/env/DEBUG"]) == (
        VERSION,
        {"op": "test", "path": f"{CONTAINERS}/1/name", "value": "app"},
        {"op": "test", "path": f"{CONTAINERS}/1/env/1/name", "value": "DEBUG"},
        {"op": "remove", "path": f"{CONTAINERS}/1/env/1"},
    )


def test_field_removal_removes_later_items_first() -> None:
    assert removed(f"{CONTAINERS}/app/env/A", f"{CONTAINERS}/app/env/MORE") == [
        f"{CONTAINERS}/1/env/2",
        f"{CONTAINERS}/1/env/0",
    ]


def test_field_removal_tests_before_it_removes() -> None:
    kinds = [operation["op"] for operation in removal_patch(BODY, [f"{CONTAINERS}/side", f"{CONTAINERS}/app/env/A"])]
    assert kinds == sorted(kinds, reverse=True)


def test_field_removal_keeps_slashes_escaped() -> None:
    assert removed("/metadata/annotations/a~1b") == ["/metadata/annotations/a~1b"]


def test_field_removal_of_a_missing_field_is_empty() -> None:
    assert removal_patch(BODY, [f"{CONTAINERS}/gone", "/spec/paused", f"{CONTAINERS}/app/env/GONE"]) == ()


def test_field_removal_by_position_in_a_list_without_merge_key() -> None:
    assert removed("/spec/template/spec/hostAliases/0") == ["/spec/template/spec/hostAliases/0"]
