"""Who owns which field of a live object, read from metadata.managedFields (server-side apply).

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import hashlib
import json
from collections.abc import Collection, Iterator

from gitops.core.objects import Body
from gitops.core.ownership import fields, managed_fields
from gitops.core.ownership.managed_fields import Entry, FieldOwner


def fingerprint(body: Body, manager: str) -> str:
    """Changes when, and only when, the set of fields that our last apply owns changes; empty without such an entry.

    The server takes a field out of that entry as soon as anybody else changes or removes it. Time and apiVersion of
    the entry do not count: re-applying moves them.
    """
    tree = managed_fields.applied(body, manager)
    if tree is None:
        return ""
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def owned_fields(body: Body, manager: str) -> frozenset[str]:
    """The leaf fields that our last apply owns. A leaf is what the server counts as one: an atomic map or list too."""
    return frozenset(managed_fields.leaf_paths(managed_fields.applied(body, manager) or {}))


def declared_fields(manifest_body: Body) -> frozenset[str]:
    """The leaf fields that applying a manifest makes ours, lists without merge keys as one field. Null and empty lists
    are owned by nobody.
    """
    content = {name: part for name, part in manifest_body.items() if name not in {"apiVersion", "kind", "status"}}
    metadata = content.pop("metadata", None) or {}
    content["metadata"] = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    found = fields.leaves(content, into_positions=False)
    return frozenset(path for path, value in found if value not in (None, []) and path != "/metadata")


def lost_fields(before: Collection[str], after: Collection[str]) -> tuple[str, ...]:
    """The fields of `before` (`declared` of a manifest, or an earlier `owned`) that `after` (`owned` now) has not, in
    order. A field counts as still ours when we own it, a part of it, or the atomic whole that it is a part of.
    """
    kept = set(after)
    partly = {ancestor for path in kept for ancestor in _upwards(path)}
    return tuple(path for path in sorted(before) if path not in partly and kept.isdisjoint(_upwards(path)))


def writers(body: Body, paths: Collection[str]) -> tuple[FieldOwner, ...]:
    """Who owns these fields now: for each path the newest entry that holds it, a part of it or the whole around it."""
    entries = [
        (entry, set(managed_fields.leaf_paths(managed_fields.elements(entry))))
        for entry in managed_fields.entries(body)
    ]
    return tuple(_writer(path, entries) for path in sorted(paths))


def _writer(path: str, entries: list[tuple[Entry, set[str]]]) -> FieldOwner:
    around = set(_upwards(path))
    holders = [entry for entry, held in entries if not around.isdisjoint(held) or _holds_part(held, path)]
    newest = max(holders, key=lambda entry: str(entry.get("time") or ""), default=None)
    return FieldOwner(path, "") if newest is None else managed_fields.owner(path, newest)


def _holds_part(held: Collection[str], path: str) -> bool:
    return any(fields.covers(path, each) for each in held)


def _upwards(path: str) -> Iterator[str]:
    """The path itself and all above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]
