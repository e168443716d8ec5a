"""Paths of fields: like a JSON pointer (RFC 6901), but list items are named by their merge key.

`/spec/template/spec/containers/app/env/DEBUG/value`. Items of containers, volumes and env are named by name,
volumeMounts by mountPath, ports of containers and Services by number and protocol (`8080-TCP`), all other items by
position.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAMED = frozenset({"containers", "initContainers", "ephemeralContainers", "volumes", "env"})


def child(path: str, name: str) -> str:
    """The path of a child: `child("/metadata/labels", "a/b")` is `/metadata/labels/a~1b`."""
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def last_name(path: str) -> str:
    """The unescaped last segment."""
    return path.rpartition("/")[2].replace("~1", "/").replace("~0", "~")


def covers(ancestor: str, path: str) -> bool:
    """True if `path` is `ancestor` or lies below it."""
    return path == ancestor or path.startswith(f"{ancestor}/")


def item_names(path: str, items: Sequence[Any]) -> list[str] | None:
    """The merge keys of a list's items, in order. None if the items have only positions.

    None also if two items share a key, or one has no key: the server refuses such a list, but a manifest with it must
    still be shown.
    """
    names = [_item_name(path, item) for item in items]
    known = [name for name in names if name is not None]
    return known if known and len(set(known)) == len(names) else None


def _item_name(path: str, item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    above, _, field = path.rpartition("/")
    if field in _NAMED:
        return _text(item.get("name"))
    if field == "volumeMounts":
        return _text(item.get("mountPath"))
    if field == "ports":
        number = item.get("port") if above == "/spec" else item.get("containerPort")
        return None if number is None else f"{number}-{item.get('protocol') or 'TCP'}"
    return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def leaves(value: Any, path: str = "", *, into_positions: bool = True) -> Iterator[tuple[str, Any]]:
    """Every scalar and every empty mapping or list, with its path. With `into_positions=False` a list without merge
    keys is one leaf: most of these lists are atomic to the API server.
    """
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from leaves(member, child(path, str(name)), into_positions=into_positions)
    elif isinstance(value, list) and value:
        names = item_names(path, value)
        if names is None and not into_positions:
            yield path, value
            return
        for name, item in zip(names or map(str, range(len(value))), value, strict=True):
            yield from leaves(item, child(path, name), into_positions=into_positions)
    else:
        yield path, value
