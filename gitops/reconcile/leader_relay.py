"""Asks the leader for a pass when a replica that follows has heard something new, such as a webhook of the git host."""

from collections import deque

import structlog

from gitops.core.errors import GitopsError
from gitops.ports import Clock, Leadership, PassRequester, Queue, Task

_log = structlog.get_logger(__name__)

_MOST_NEWS = 100
"""Overlays that wait to be named to the leader; any one of them makes it fetch the config repo."""


class LeaderRelay:
    """Thread-safe. `requester` asks the leader for a pass; `tasks` runs `deliver` in a thread that may wait."""

    def __init__(self, leadership: Leadership, requester: PassRequester, tasks: Queue, clock: Clock) -> None:
        self._leadership = leadership
        self._requester = requester
        self._tasks = tasks
        self._clock = clock
        self._news: deque[str] = deque(maxlen=_MOST_NEWS)

    def request_pass(self, *overlays: str) -> None:
        """Names overlays to the leader, unless this replica leads. Returns at once: a sender waits for its answer, and
        the API server may be slow.
        """
        if not self._leadership.is_leader():
            self._news.extend(overlays)
            self._tasks.add(Task.TELL)

    def deliver(self) -> None:
        """Asks the leader for a pass over one of the overlays; the leader then fetches the head and sees all."""
        for overlay in [self._news.popleft() for _ in range(len(self._news))]:
            try:
                self._requester.request(overlay, self._clock.now())
            except GitopsError as error:  # the leader polls the config repo anyway
                _log.info("the leader was not asked for a pass", overlay=overlay, reason=error.reason)
            else:
                return
