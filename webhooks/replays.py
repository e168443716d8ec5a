"""Deliveries that were answered before. A repeated delivery is harmless even when it was forgotten here: the committer
decides by its content, and that change is already made. Remembering keeps the log short, and saves the work where the
sender's signature covers the delivery's id.
"""

import threading

from cachetools import LRUCache

_MOST = 5_000


class Replays:
    """The newest deliveries of each sender that were answered with 200. Thread-safe. It may forget any of them."""

    def __init__(self, most: int = _MOST) -> None:
        self._lock = threading.Lock()
        self._known: LRUCache[tuple[str, str], None] = LRUCache(most)

    def knows(self, sender: str, name: str) -> bool:
        """True if a delivery with this name (its id or its body's fingerprint) is remembered."""
        with self._lock:
            return (sender, name) in self._known

    def remember(self, sender: str, *names: str | None) -> None:
        with self._lock:
            for name in names:
                if name is not None:
                    self._known[sender, name] = None
