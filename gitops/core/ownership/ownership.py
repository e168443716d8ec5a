"""Who owns which field of a live object, read from metadata.managedFields (server-side apply).

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gitops.core import health, objects
from gitops.core.health import Health
from gitops.core.objects import Body, Key
from gitops.core.ownership import fields, managed_fields, other_tools
from gitops.core.ownership import foreign_fields as foreign
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.ownership.managed_fields import Entry, FieldOwner

__all__ = ["FieldOwner", "Observed", "declared", "fingerprint", "lost", "observe", "owned", "writers"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass needs to know of one live object, reduced from a watch event; the body is not kept.

    `fingerprint`: hash of our own Apply entry in managedFields, empty when we have none.
    `part_of`: the applyset part-of label; `owner`: another GitOps tool's mark, e.g. `Argo CD (tracking-id ...)`.
    `foreign`: fields that others added inside the parts that decide behaviour (spec.template, data, rules ...).
    `replicas`: the live spec.replicas while our entry owns that field, else None.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int = 0
    part_of: str = ""
    fingerprint: str = ""
    owner: str = ""
    foreign: tuple[FieldOwner, ...] = ()
    health: Health = Health.HEALTHY
    message: str = ""
    replicas: int | None = None
    deleting: bool = False


def observe(body: Body, manager: str) -> Observed:
    """A live object, whole or metadata only, as seen by the owner of the field manager `manager`.

    `apiVersion` and `kind` must be the object's own: whoever reads a PartialObjectMetadata puts them back. Metadata
    alone is enough where `health.has_rule` is false.
    """
    metadata = body["metadata"]
    verdict, message = health.assess(body)
    ours = owned(body, manager)
    return Observed(
        key=objects.key(body),
        uid=str(metadata.get("uid") or ""),
        resource_version=str(metadata.get("resourceVersion") or ""),
        generation=int(metadata.get("generation") or 0),
        part_of=str((metadata.get("labels") or {}).get(PART_OF_LABEL, "")),
        fingerprint=fingerprint(body, manager),
        owner=other_tools.owner(body, manager),
        foreign=foreign.additions(body, manager),
        health=verdict,
        message=message,
        replicas=(body.get("spec") or {}).get("replicas") if "/spec/replicas" in ours else None,
        deleting="deletionTimestamp" in metadata,
    )


def fingerprint(body: Body, manager: str) -> str:
    """Changes when, and only when, the set of fields that our last apply owns changes; empty without such an entry.

    The server takes a field out of that entry as soon as anybody else changes or removes it. Time and apiVersion of
    the entry do not count: re-applying moves them.
    """
    tree = managed_fields.applied(body, manager)
    if tree is None:
        return ""
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def owned(body: Body, manager: str) -> frozenset[str]:
    """The leaf fields that our last apply owns. A leaf is what the server counts as one: an atomic map or list too."""
    return frozenset(managed_fields.leaf_paths(managed_fields.applied(body, manager) or {}))


def declared(manifest_body: Body) -> frozenset[str]:
    """The leaf fields that applying a manifest makes ours, lists without merge keys as one field. Null and empty lists
    are owned by nobody.
    """
    content = {name: part for name, part in manifest_body.items() if name not in {"apiVersion", "kind", "status"}}
    metadata = content.pop("metadata", None) or {}
    content["metadata"] = {name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)}
    found = fields.leaves(content, into_positions=False)
    return frozenset(path for path, value in found if value not in (None, []) and path != "/metadata")


def lost(before: Collection[str], after: Collection[str]) -> tuple[str, ...]:
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
