"""What a replica that follows tells the one that leads: look at this overlay again."""

from collections import deque

import structlog

from gitops.core.errors import GitopsError
from gitops.ports import Clock, Leadership, PassRequester, Queue

_log = structlog.get_logger(__name__)

TASK = "tell"
"""The name of the task that calls `deliver`."""
_MOST_NEWS = 100
"""Overlays of which the leader is told something; any one of them makes it look at the config repo."""


class LeaderRelay:
    """Thread-safe. `requester` asks the leader for a pass; `tasks` runs `deliver` in a thread that may wait."""

    def __init__(self, leadership: Leadership, requester: PassRequester, tasks: Queue, clock: Clock) -> None:
        self._leadership = leadership
        self._requester = requester
        self._tasks = tasks
        self._clock = clock
        self._news: deque[str] = deque(maxlen=_MOST_NEWS)

    def tell(self, *overlays: str) -> None:
        """Senders wait, and the cluster may take its time: whoever hears of it is asked later."""
        if not self._leadership.is_leader():
            self._news.extend(overlays)
            self._tasks.add(TASK)

    def deliver(self) -> None:
        """One overlay that was touched is enough: the leader then fetches the head, and sees all that it changes."""
        for overlay in [self._news.popleft() for _ in range(len(self._news))]:
            try:
                self._requester.request(overlay, self._clock.now())
            except GitopsError as error:  # a hint: the leader polls the config repo anyway
                _log.info("the leader was not told", overlay=overlay, reason=error.reason)
            else:
                return
