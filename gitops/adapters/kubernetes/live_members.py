"""The objects of one kind that carry our part-of label, as the watch saw them last."""

import threading
from collections.abc import Sequence

from gitops.adapters.kubernetes.discovery import ApiResource
from gitops.core.objects import Body, Key
from gitops.core.ownership import live_object
from gitops.core.ownership.live_object import Observed
from gitops.ports import LiveListener


class LiveMembers:
    """Implements WatchSink. Thread-safe. `listener` learns of a change that a pass would see.

    Every event up to the resourceVersion `_position` is included. So an object that is missing here, but was read at or
    before that position, is gone. resourceVersions of one kind are compared as numbers:
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """

    def __init__(self, resource: ApiResource, manager: str, listener: LiveListener | None = None) -> None:
        self._resource = resource
        self._manager = manager
        self._listener = listener
        self._lock = threading.Lock()
        self._seen: dict[Key, Observed] = {}
        self._parts: dict[str, dict[Key, Observed]] = {}  # the same, by part-of: a pass asks for one of a thousand
        self._position = 0

    def of(self, part_of: str) -> Sequence[tuple[Key, Observed]]:
        """All objects with this part-of label."""
        with self._lock:
            return list(self._parts.get(part_of, {}).items())

    def note(self, observed: Observed) -> None:
        """Adds an object that was read or written by a request, unless the watch has seen a newer version."""
        if not observed.part_of:  # the watch would not report its deletion
            return
        with self._lock:
            known = self._seen.get(observed.key)
            if _number(observed.resource_version) > (self._position if known is None else _version(known)):
                self._keep(observed)

    def reduce(self, body: Body) -> Observed:
        typed = {**body, "apiVersion": self._resource.api_version, "kind": self._resource.kind}
        return live_object.observe(typed, self._manager)

    def replaced(self, everything: Sequence[Observed], position: str) -> None:
        listed = {observed.key for observed in everything}
        with self._lock:
            gone = [
                known
                for known in self._seen.values()
                if known.key not in listed and _version(known) <= _number(position)
            ]
        for known in gone:
            self._forget(known)
        for observed in everything:
            self.changed(observed)
        self.moved(position)

    def changed(self, seen: Observed) -> None:
        with self._lock:
            known = self._seen.get(seen.key)
            if known is not None and _version(known) >= _version(seen):
                return
            self._keep(seen)
        if known is None or _relevant_state(known) != _relevant_state(seen):
            for part_of in {seen.part_of, known.part_of if known else seen.part_of}:
                self._notify(part_of, seen.key)

    def deleted(self, seen: Observed) -> None:
        with self._lock:
            known = self._seen.get(seen.key)
        if known is not None and _version(known) <= _version(seen):
            self._forget(known)

    def moved(self, position: str) -> None:
        with self._lock:
            self._position = max(self._position, _number(position))

    def _forget(self, known: Observed) -> None:
        with self._lock:
            if self._seen.get(known.key) is known:
                self._drop(known)
        self._notify(known.part_of, known.key)

    def _keep(self, seen: Observed) -> None:
        known = self._seen.get(seen.key)
        if known is not None and known.part_of != seen.part_of:
            self._drop(known)
        self._seen[seen.key] = seen
        self._parts.setdefault(seen.part_of, {})[seen.key] = seen

    def _drop(self, known: Observed) -> None:
        del self._seen[known.key]
        part = self._parts[known.part_of]
        del part[known.key]
        if not part:
            del self._parts[known.part_of]

    def _notify(self, part_of: str, key: Key) -> None:
        if self._listener is not None:
            self._listener.object_changed(part_of, key)


def _relevant_state(seen: Observed) -> tuple[object, ...]:
    """The fields that a pass reads. Times are left out: a controller that writes a status changes the time of its own
    managedFields entry.
    """
    foreign = frozenset((owner.field, owner.manager) for owner in seen.foreign)
    return (
        *(seen.uid, seen.generation, seen.part_of, seen.fingerprint, seen.owner, foreign),
        *(seen.health, seen.message, seen.replicas, seen.deleting),
    )


def _version(seen: Observed) -> int:
    return _number(seen.resource_version)


def _number(resource_version: str) -> int:
    return int(resource_version) if resource_version.isdigit() else 0
