"""Compares the fields that Lockstep declared with the owners in metadata.managedFields (server-side apply).

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import hashlib
import json
from collections.abc import Collection, Iterator

from gitops.core.objects import Body
from gitops.core.ownership import fields, managed_fields
from gitops.core.ownership.managed_fields import Entry, FieldOwner


def fingerprint(body: Body, manager: str) -> str:
    """Hash of the set of fields that our last apply owns; empty without such an entry.

    The API server removes a field from that entry when another manager changes or removes the field. The hash leaves
    out the time and apiVersion of the entry: every apply changes them.
    """
    tree = managed_fields.read_applied(body, manager)
    if tree is None:
        return ""
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def owned_fields(body: Body, manager: str) -> frozenset[str]:
    """The leaf fields that our last apply owns. An atomic mapping or list is one leaf."""
    return frozenset(managed_fields.leaf_paths(managed_fields.read_applied(body, manager) or {}))


def declared_fields(manifest_body: Body) -> frozenset[str]:
    """The leaf fields that Lockstep owns after it applies the manifest. A list without merge keys is one field. Null
    and empty lists get no owner.
    """
    content = {name: part for name, part in manifest_body.items() if name not in {"apiVersion", "kind", "status"}}
    metadata = content.pop("metadata", None) or {}
    content["metadata"] = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    found = fields.leaves(content, into_positions=False)
    return frozenset(path for path, value in found if value not in (None, []) and path != "/metadata")


def lost_fields(before: Collection[str], after: Collection[str]) -> tuple[str, ...]:
    """The fields of `before` (`declared_fields` of a manifest, or earlier `owned_fields`) that `after` (`owned_fields`
    now) lacks, sorted. A field is not lost if we own the field, a part of it, or the atomic field around it.
    """
    kept = set(after)
    partly = {ancestor for path in kept for ancestor in _ancestors(path)}
    return tuple(path for path in sorted(before) if path not in partly and kept.isdisjoint(_ancestors(path)))


def writers(body: Body, paths: Collection[str]) -> tuple[FieldOwner, ...]:
    """The owner of each field now: the newest entry that has the field, a part of it, or the atomic field around it."""
    entries = [
        (entry, set(managed_fields.leaf_paths(managed_fields.elements(entry))))
        for entry in managed_fields.entries(body)
    ]
    return tuple(_find_writer(path, entries) for path in sorted(paths))


def _find_writer(path: str, entries: list[tuple[Entry, set[str]]]) -> FieldOwner:
    around = set(_ancestors(path))
    holders = [entry for entry, held in entries if not around.isdisjoint(held) or _has_part(held, path)]
    newest = max(holders, key=lambda entry: str(entry.get("time") or ""), default=None)
    return FieldOwner(path, "") if newest is None else managed_fields.owner(path, newest)


def _has_part(held: Collection[str], path: str) -> bool:
    return any(fields.covers(path, each) for each in held)


def _ancestors(path: str) -> Iterator[str]:
    """The path itself and all its ancestors."""
    while path:
        yield path
        path = path.rpartition("/")[0]
