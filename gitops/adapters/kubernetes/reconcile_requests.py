"""Watches `lockstep.gitops/requested-at` on the ApplySet parents: a follower or the CLI asks the leader for a pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gitops.adapters.kubernetes.applysets import is_parent_of, overlay_of
from gitops.core.objects import Body
from gitops.core.ownership.applyset import REQUESTED_AT_ANNOTATION


class PassRequestListener(Protocol):
    """Learns that a follower or the CLI asks for a pass."""

    def pass_requested(self, overlay: str) -> None:
        """Called by the thread of the watch. Returns at once."""


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """`at` is the annotation's value, empty if there is none."""

    overlay: str
    at: str


class ReconcileRequests:
    """Implements WatchSink. `listener` learns of each new value of the annotation; the first list holds old values."""

    def __init__(self, repo: str, listener: PassRequestListener) -> None:
        self._repo = repo
        self._listener = listener
        self._last: dict[str, str] | None = None

    def reduce(self, body: Body) -> ReconcileRequest:
        metadata = body["metadata"]
        ours = is_parent_of(metadata, self._repo)
        at = (metadata.get("annotations") or {}).get(REQUESTED_AT_ANNOTATION, "")
        return ReconcileRequest(overlay_of(metadata["name"]), at if ours else "")

    def replaced(self, everything: Sequence[ReconcileRequest], position: str) -> None:  # noqa: ARG002 - the signature of WatchSink
        if self._last is None:
            self._last = {request.overlay: request.at for request in everything}
        for request in everything:
            self.changed(request)

    def changed(self, seen: ReconcileRequest) -> None:
        last = self._last or {}
        if seen.at and last.get(seen.overlay) != seen.at:
            self._listener.pass_requested(seen.overlay)
        self._last = {**last, seen.overlay: seen.at}

    def deleted(self, seen: ReconcileRequest) -> None:
        self._last = {overlay: at for overlay, at in (self._last or {}).items() if overlay != seen.overlay}

    def moved(self, position: str) -> None:
        """Requests need no position."""
