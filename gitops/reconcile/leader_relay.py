"""What a replica that follows tells the one that leads: look at this overlay again."""

from collections import deque
from collections.abc import Callable

import structlog

from gitops.core.errors import GitopsError

_log = structlog.get_logger(__name__)

_MOST_NEWS = 100
"""Overlays of which the leader is told something; any one of them makes it look at the config repo."""


class LeaderRelay:
    """Thread-safe. `request(overlay)` asks the leader for a pass; `wake` has `deliver` called by a thread that may
    wait.
    """

    def __init__(self, leads: Callable[[], bool], request: Callable[[str], None], wake: Callable[[], None]) -> None:
        self._leads = leads
        self._request = request
        self._wake = wake
        self._news: deque[str] = deque(maxlen=_MOST_NEWS)

    def tell(self, *overlays: str) -> None:
        """Senders wait, and the cluster may take its time: whoever hears of it is asked later."""
        if not self._leads():
            self._news.extend(overlays)
            self._wake()

    def deliver(self) -> None:
        """One overlay that was touched is enough: the leader then fetches the head, and sees all that it changes."""
        for overlay in [self._news.popleft() for _ in range(len(self._news))]:
            try:
                self._request(overlay)
            except GitopsError as error:  # a hint: the leader polls the config repo anyway
                _log.info("the leader was not told", overlay=overlay, reason=error.reason)
            else:
                return
