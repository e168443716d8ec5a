"""metadata.managedFields: one entry for each manager, with the set of fields that it owns.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
The format of fieldsV1: https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/fieldpath/serialize-pe.go
In short: `f:name` is a field, `k:{...}` a list item by its keys, `v:...` a list item by its value, `i:0` a list item by
its position, `.` the element itself. An element without children is a leaf, maybe a whole atomic mapping or list.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitops.core.objects import Body
from gitops.core.ownership import fields

Entry = Mapping[str, Any]
Elements = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """A field path (as in ownership.fields) and its owner: manager, time, and operation (`Update`, `Apply`,
    `Update of scale`). An empty manager: the field was removed and has no owner.
    """

    field: str
    manager: str
    at: datetime | None = None
    how: str = ""


def entries(body: Body) -> list[Entry]:
    return list(body["metadata"].get("managedFields") or ())


def elements(entry: Entry) -> Elements:
    return entry.get("fieldsV1") or {}


def read_applied(body: Body, manager: str) -> Elements | None:
    """The fields that a manager owns by apply; None if it never applied this object. A manager has one such entry."""
    for entry in entries(body):
        if (entry.get("manager"), entry.get("operation")) == (manager, "Apply") and not entry.get("subresource"):
            return elements(entry)
    return None


def leaf_paths(tree: Elements, path: str = "") -> Iterator[str]:
    """The paths of the leaves, without `.` elements, which only say that an item or a mapping exists."""
    for element, below in tree.items():
        if element == ".":
            continue
        here = fields.child(path, element_name(element))
        if below:
            yield from leaf_paths(below, here)
        else:
            yield here


def element_name(element: str) -> str:
    """The path segment of an element. Several keys of one item are joined: `8080-TCP`."""
    kind, _, text = element.partition(":")
    if kind == "k":
        return "-".join(_text(part) for part in json.loads(text).values())
    return _text(json.loads(text)) if kind == "v" else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def owner(path: str, entry: Entry) -> FieldOwner:
    at = entry.get("time")
    how = " of ".join(filter(None, (str(entry.get("operation") or ""), str(entry.get("subresource") or ""))))
    return FieldOwner(path, str(entry.get("manager") or ""), datetime.fromisoformat(at) if at else None, how)
