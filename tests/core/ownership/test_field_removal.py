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


def test_the_first_test_is_the_version_that_was_read() -> None:
    assert removal_patch(BODY, ["/spec/template/spec/hostAliases"])[0] == VERSION


def test_items_are_found_by_their_merge_key_and_tested_by_it() -> None:
    assert removal_patch(BODY, [f"{CONTAINERS}/app/env/DEBUG"]) == (
        VERSION,
        {"op": "test", "path": f"{CONTAINERS}/1/name", "value": "app"},
        {"op": "test", "path": f"{CONTAINERS}/1/env/1/name", "value": "DEBUG"},
        {"op": "remove", "path": f"{CONTAINERS}/1/env/1"},
    )


def test_later_items_of_a_list_go_first_so_that_indexes_stay_true() -> None:
    assert removed(f"{CONTAINERS}/app/env/A", f"{CONTAINERS}/app/env/MORE") == [
        f"{CONTAINERS}/1/env/2",
        f"{CONTAINERS}/1/env/0",
    ]


def test_every_test_stands_before_the_first_removal() -> None:
    kinds = [operation["op"] for operation in removal_patch(BODY, [f"{CONTAINERS}/side", f"{CONTAINERS}/app/env/A"])]
    assert kinds == sorted(kinds, reverse=True)


def test_names_with_slashes_stay_escaped() -> None:
    assert removed("/metadata/annotations/a~1b") == ["/metadata/annotations/a~1b"]


def test_what_is_not_there_any_more_needs_no_removal() -> None:
    assert removal_patch(BODY, [f"{CONTAINERS}/gone", "/spec/paused", f"{CONTAINERS}/app/env/GONE"]) == ()


def test_positions_are_names_where_a_list_has_no_merge_key() -> None:
    assert removed("/spec/template/spec/hostAliases/0") == ["/spec/template/spec/hostAliases/0"]
