"""How fields that others added are taken out again: one JSON patch (RFC 6902) that holds only for the object as it was
read. Server-side apply cannot do it: it leaves alone what it never declared.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops.core.objects import Body
from gitops.core.ownership import fields

Operation = Mapping[str, Any]


def removal_patch(body: Body, paths: Collection[str]) -> tuple[Operation, ...]:
    """Removes these fields (named as in ownership.fields) from the live `body`; empty when none of them is there.

    The first test fails on any later version of the object, the others on any other item at an index.
    """
    found = sorted((each for each in (_resolved(body, path) for path in paths) if each is not None), reverse=True)
    if not found:
        return ()
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": body["metadata"]["resourceVersion"]}
    tests = {str(test["path"]): test for _, _, passed in found for test in passed}
    return (version, *tests.values(), *({"op": "remove", "path": pointer} for _, pointer, _ in found))


def _resolved(body: Body, path: str) -> tuple[list[tuple[int, str]], str, list[Operation]] | None:
    """Sort key (later items of a list go first), JSON pointer with indexes, and the tests of the items on the way."""
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
            tests += _identity(f"{pointer}/{token}", value)
        elif isinstance(value, Mapping) and name in value:
            value, token = value[name], segment
            order.append((0, segment))
        else:
            return None
        here, pointer = f"{here}/{segment}", f"{pointer}/{token}"
    return order, pointer, tests


def _identity(pointer: str, item: Any) -> Iterator[Operation]:
    if not isinstance(item, Mapping):
        yield {"op": "test", "path": pointer, "value": item}
        return
    for name in ("name", "mountPath", "containerPort", "port"):
        if name in item:
            yield {"op": "test", "path": f"{pointer}/{name}", "value": item[name]}
            return
