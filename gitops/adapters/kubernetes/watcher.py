"""ports.LiveState: our live objects as the watches see them, reduced to what a pass reads; no body is kept.

One watch per kind covers the whole cluster and selects by the part-of label. Kinds with a health rule are watched with
whole bodies, all others with metadata only.
"""

import threading
from collections.abc import Collection, Mapping
from typing import Any

from gitops.adapters.kubernetes.discovery import ApiResource, Discovery
from gitops.adapters.kubernetes.live_members import LiveMembers
from gitops.adapters.kubernetes.reconcile_requests import PassRequestListener, ReconcileRequests
from gitops.adapters.kubernetes.reflector import Reflector, Selection, WatchSink, WatchState
from gitops.adapters.kubernetes.state_namespace import CONFIG_MAPS
from gitops.core import health
from gitops.core.errors import Rejected
from gitops.core.objects import Body, Key
from gitops.core.ownership import live_object
from gitops.core.ownership.applyset import ID_LABEL, PART_OF_LABEL
from gitops.core.ownership.live_object import Observed
from gitops.ports import Clock, LiveListener

_FIRST_LIST_SECONDS = 60.0
_STOP_SECONDS = 5.0


class Watcher:
    """Implements ports.LiveState; the watches run until stop(). Thread-safe. `manager` is our field manager.

    `listener` learns that an object of an ApplySet has changed in a field that a pass reads, or is gone.
    """

    def __init__(
        self, discovery: Discovery, *, manager: str, clock: Clock, listener: LiveListener | None = None
    ) -> None:
        self._discovery = discovery
        self._manager = manager
        self._listener = listener
        self._clock = clock
        self._lock = threading.Lock()
        self._members: dict[tuple[str, str], LiveMembers] = {}
        self._reflectors: dict[str, Reflector[Any]] = {}

    def watch(self, kinds: Collection[tuple[str, str, str]]) -> None:
        started = {kind: self._kind_reflector(kind) for kind in sorted(kinds)}
        deadline = self._clock.monotonic() + _FIRST_LIST_SECONDS
        for kind, reflector in started.items():
            if reflector is not None:
                self._await(kind, reflector, deadline)

    def _await(self, kind: tuple[str, str, str], reflector: Reflector[Any], deadline: float) -> None:
        """Waits for the first list. A kind that the server no longer serves is dropped: its CRD was deleted, and every
        object with it.
        """
        try:
            reflector.await_list(max(0.0, deadline - self._clock.monotonic()))
        except Rejected as error:
            if error.reason not in {"NoMatches", "NotFound"}:
                raise
            self._discovery.forget()
            group, _, name = kind
            with self._lock:
                self._reflectors.pop(f"{name}.{group}" if group else name, None)
                self._members.pop((group, name), None)
            reflector.ask_to_stop()

    def watch_requests(self, repo: str, listener: PassRequestListener) -> None:
        """Watches `lockstep.gitops/requested-at` on the parents of this config repo, which a follower or the CLI sets.
        Returns and raises as watch does.
        """
        selection = Selection("requests", CONFIG_MAPS, ID_LABEL)
        self._reflector(selection, ReconcileRequests(repo, listener)).await_list(_FIRST_LIST_SECONDS)

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

    def states(self) -> Mapping[str, WatchState]:
        """The state of each watch, by name, for the page."""
        with self._lock:
            return {name: reflector.state for name, reflector in sorted(self._reflectors.items())}

    def count(self, state: str) -> int:
        """The number of watches in this state, one of reflector.WATCH_STATES."""
        return sum(each.name == state for each in self.states().values())

    def is_failing(self) -> bool:
        """True while a watch fails, so that the known objects may be old."""
        return any(state.failing_since for state in self.states().values())

    def stop(self) -> None:
        """Ends every watch, and waits at most 5 s for the threads."""
        with self._lock:
            reflectors = tuple(self._reflectors.values())
        for reflector in reflectors:
            reflector.ask_to_stop()
        deadline = self._clock.monotonic() + _STOP_SECONDS
        for reflector in reflectors:
            reflector.join(max(0.0, deadline - self._clock.monotonic()))

    def _kind_reflector(self, kind: tuple[str, str, str]) -> Reflector[Any] | None:
        """The running reflector of a kind; None if the server does not serve the kind."""
        group, _, name = kind
        title = f"{name}.{group}" if group else name
        with self._lock:
            if title in self._reflectors:
                return self._reflectors[title]
        try:
            resource = self._discovery.resource(*kind)
        except Rejected as error:
            if error.reason == "NoMatches":
                return None
            raise
        return self._reflector(_selection(resource, title), self._sink(resource))

    def _sink(self, resource: ApiResource) -> LiveMembers:
        with self._lock:
            fresh = LiveMembers(resource, self._manager, self._listener)
            return self._members.setdefault((resource.group, resource.kind), fresh)

    def _reflector(self, selection: Selection, sink: WatchSink[Any]) -> Reflector[Any]:
        with self._lock:
            if selection.name not in self._reflectors:
                reflector = Reflector(self._discovery.api, selection, sink, clock=self._clock)
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
