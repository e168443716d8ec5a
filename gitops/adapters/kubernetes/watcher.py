"""ports.LiveState: what the watches know of our objects, reduced from each event at once; no body is kept.

One thread per kind, for the whole cluster, selected by the part-of label: whole bodies of the kinds whose health is
judged by their status, metadata only of all others.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from gitops.adapters.kubernetes.discovery import ApiResource, Discovery
from gitops.adapters.kubernetes.live_members import LiveMembers
from gitops.adapters.kubernetes.reconcile_requests import ReconcileRequests
from gitops.adapters.kubernetes.reflector import Reflector, Selection, WatchSink, WatchState
from gitops.adapters.kubernetes.state_namespace import CONFIG_MAPS
from gitops.core import health
from gitops.core.errors import Rejected
from gitops.core.objects import Body, Key
from gitops.core.ownership import live_object
from gitops.core.ownership.applyset import ID_LABEL, PART_OF_LABEL
from gitops.core.ownership.live_object import Observed

_FIRST_LIST_SECONDS = 60.0
_STOP_SECONDS = 5.0

Clock = Callable[[], datetime]


class Watcher:
    """Watches run until stop(). Thread-safe. `manager` is our field manager, `clock` aware and in UTC.

    `on_change(part_of, key)`: an object of that ApplySet differs in something that a pass would look at, or is gone. It
    is called from the watches' threads, so it must return at once: put a name into a queue, no more.
    """

    def __init__(self, kinds: Discovery, *, manager: str, on_change: Callable[[str, Key], None], clock: Clock) -> None:
        self._kinds = kinds
        self._manager = manager
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._members: dict[tuple[str, str], LiveMembers] = {}
        self._reflectors: dict[str, Reflector[Any]] = {}

    def watch(self, kinds: Collection[tuple[str, str, str]]) -> None:
        started = {kind: self._kind_reflector(kind) for kind in sorted(kinds)}
        deadline = time.monotonic() + _FIRST_LIST_SECONDS
        for kind, reflector in started.items():
            if reflector is not None:
                self._await(kind, reflector, deadline)

    def _await(self, kind: tuple[str, str, str], reflector: Reflector[Any], deadline: float) -> None:
        """A kind that was served and is no longer is not watched any more: its CRD went, and every object with it."""
        try:
            reflector.await_list(max(0.0, deadline - time.monotonic()))
        except Rejected as error:
            if error.reason not in {"NoMatches", "NotFound"}:
                raise
            self._kinds.forget()
            group, _, name = kind
            with self._lock:
                self._reflectors.pop(f"{name}.{group}" if group else name, None)
                self._members.pop((group, name), None)
            reflector.ask_to_stop()

    def watch_requests(self, repo: str, on_request: Callable[[str], None]) -> None:
        """Calls `on_request(overlay)`, as on_change is called, when somebody sets `lockstep.gitops/requested-at` on a
        parent of this config repo. Returns and raises as watch does.
        """
        selection = Selection("requests", CONFIG_MAPS, ID_LABEL)
        self._reflector(selection, ReconcileRequests(repo, on_request)).await_list(_FIRST_LIST_SECONDS)

    def members(self, part_of: str) -> Mapping[Key, Observed]:
        with self._lock:
            everything = tuple(self._members.values())
        return {key: seen for members in everything for key, seen in members.of(part_of)}

    def note(self, body: Body) -> Observed:
        observed = live_object.observe(body, self._manager)
        with self._lock:
            members = self._members.get((observed.key.group, observed.key.kind))
        if members is not None:
            members.note(observed)
        return observed

    def conditions(self) -> Mapping[str, WatchState]:
        """How each watch fares, by its name, for the page."""
        with self._lock:
            return {name: reflector.condition for name, reflector in sorted(self._reflectors.items())}

    def is_failing(self) -> bool:
        """True while any watch fails: what this process knows of the cluster may be old."""
        return any(state.failing_since for state in self.conditions().values())

    def stop(self) -> None:
        """Ends every watch and waits for their threads, for a few seconds at most."""
        with self._lock:
            reflectors = tuple(self._reflectors.values())
        for reflector in reflectors:
            reflector.ask_to_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for reflector in reflectors:
            reflector.join(max(0.0, deadline - time.monotonic()))

    def _kind_reflector(self, kind: tuple[str, str, str]) -> Reflector[Any] | None:
        """The kind's reflector, started if need be; None when the kind is not served."""
        group, _, name = kind
        title = f"{name}.{group}" if group else name
        with self._lock:
            if title in self._reflectors:
                return self._reflectors[title]
        try:
            resource = self._kinds.resource(*kind)
        except Rejected as error:
            if error.reason == "NoMatches":
                return None
            raise
        return self._reflector(_selection(resource, title), self._sink(resource))

    def _sink(self, resource: ApiResource) -> LiveMembers:
        with self._lock:
            fresh = LiveMembers(resource, self._manager, self._on_change)
            return self._members.setdefault((resource.group, resource.kind), fresh)

    def _reflector(self, selection: Selection, sink: WatchSink[Any]) -> Reflector[Any]:
        with self._lock:
            if selection.name not in self._reflectors:
                reflector = Reflector(self._kinds.api, selection, sink, clock=self._clock)
                self._reflectors[selection.name] = reflector
                reflector.start()
            return self._reflectors[selection.name]


def _selection(resource: ApiResource, name: str) -> Selection:
    return Selection(
        name,
        resource.collection(),
        PART_OF_LABEL,
        whole=health.has_rule(resource.group, resource.kind),
        confidential=resource.is_confidential,
    )
