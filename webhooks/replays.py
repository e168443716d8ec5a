"""What was answered before. An old delivery that comes again changes nothing: its content decides, and that has been
done. Remembering it keeps the log quiet, and saves the work where the sender's signature covers an id.
"""

import threading
from collections import OrderedDict

_MOST = 5_000


class Replays:
    """The newest deliveries that were answered with 200, by sender. Thread-safe; it may forget anything."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def knows(self, sender: str, name: str) -> bool:
        """Whether a delivery of this name, an id or a fingerprint, was remembered."""
        with self._lock:
            return (sender, name) in self._known

    def remember(self, sender: str, *names: str | None) -> None:
        with self._lock:
            for name in names:
                if name is not None:
                    self._known[sender, name] = None
                    self._known.move_to_end((sender, name))
            while len(self._known) > self._most:
                self._known.popitem(last=False)
