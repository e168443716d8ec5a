"""Builds the JSON patch (RFC 6902) that removes foreign fields from a live object. It fails if the object has changed.

Server-side apply cannot remove these fields: it keeps fields that no manifest of ours ever declared.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops.core.objects import Body
from gitops.core.ownership import fields

Operation = Mapping[str, Any]


def removal_patch(body: Body, paths: Collection[str]) -> tuple[Operation, ...]:
    """The patch that removes fields (paths as in ownership.fields) from the live `body`; empty if it has none of them.

    The first operation tests the resourceVersion, the next ones test that each list index still has the same item.
    """
    found = sorted((each for each in (_resolve(body, path) for path in paths) if each is not None), reverse=True)
    if not found:
        return ()
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": body["metadata"]["resourceVersion"]}
    tests = {str(test["path"]): test for _, _, passed in found for test in passed}
    return (version, *tests.values(), *({"op": "remove", "path": pointer} for _, pointer, _ in found))


def _resolve(body: Body, path: str) -> tuple[list[tuple[int, str]], str, list[Operation]] | None:
    """Sort key (later items of a list first), JSON pointer with indexes, and the tests of the list items on the way."""
    value: Any = body
    here, pointer = "", ""
    order: list[tuple[int, str]] = []
    tests: list[Operation] = []
    for segment in path.split("/")[1:]:
        name = fields.last_name(f"/{segment}")
        if isinstance(value, list):
            names = fields.item_names(here, value) or [str(number) for number in range(len(value))]
            if name not in names:
                return None
            index = names.index(name)
            value, token = value[index], str(index)
            order.append((index, ""))
            tests += _test_item(f"{pointer}/{token}", value)
        elif isinstance(value, Mapping) and name in value:
            value, token = value[name], segment
            order.append((0, segment))
        else:
            return None
        here, pointer = f"{here}/{segment}", f"{pointer}/{token}"
    return order, pointer, tests


def _test_item(pointer: str, item: Any) -> Iterator[Operation]:
    if not isinstance(item, Mapping):
        yield {"op": "test", "path": pointer, "value": item}
        return
    for name in ("name", "mountPath", "containerPort", "port"):
        if name in item:
            yield {"op": "test", "path": f"{pointer}/{name}", "value": item[name]}
            return
