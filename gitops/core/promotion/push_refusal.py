"""Pauses after the remote refused the push of a promotion, as a protected trunk does.

Nothing in Lockstep can mend that, so the same content is pushed again after ever longer pauses.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops.core import backoff

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PushRefusal:
    """The remote has refused some content `count` times in a row, last with this message. `until`: no push before."""

    message: str
    count: int
    until: datetime

    def forbids(self, now: datetime) -> bool:
        """True while the pause lasts."""
        return now < self.until

    def __str__(self) -> str:
        return f"not promoted: {self.message}; tried again at {self.until:%Y-%m-%d %H:%M} UTC"


def count_refusal(before: PushRefusal | None, message: str, now: datetime) -> PushRefusal:
    """The refusal after one more push failed. `before`: the refusal of the same content on the same head, if any."""
    count = before.count + 1 if before is not None else 1
    seconds = backoff.pause(count, first=_FIRST_PAUSE.total_seconds(), longest=_LONGEST_PAUSE.total_seconds())
    return PushRefusal(message, count, now + timedelta(seconds=seconds))
