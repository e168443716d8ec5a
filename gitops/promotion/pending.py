"""The notes of the last look at promotions, for the passes that write them into statuses."""

import threading
from collections.abc import Mapping

from gitops.core.sync.status import PendingNote


class PublishedNotes:
    """The notes of the last look at promotions, by overlay. Implements ports.PendingPromotions. Thread-safe."""

    def __init__(self) -> None:
        self._notes: Mapping[str, PendingNote] = {}
        self._lock = threading.Lock()

    def pending(self, overlay: str) -> PendingNote:
        with self._lock:
            return self._notes.get(overlay, PendingNote())

    def publish(self, notes: Mapping[str, PendingNote]) -> frozenset[str]:
        """Replaces all notes; returns the overlays whose note is different now."""
        with self._lock:
            before, self._notes = self._notes, notes
        none = PendingNote()
        return frozenset(
            name for name in before.keys() | notes.keys() if before.get(name, none) != notes.get(name, none)
        )
