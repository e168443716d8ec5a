"""The windows in which promotions are allowed: cron + duration + time zone, and deny wins over allow.

A window opens at each moment that its cron names on the clocks of its time zone and stays open for its duration in real
time. Without any `allow` every moment is allowed. Daylight saving as in cron(8): https://github.com/cuu508/cronsim
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from gitops.core.config_repo.environments import Window, Windows

_MOST_STEPS = 200
_LONGEST_CHAIN = 1000


def is_open(windows: Windows, now: datetime) -> bool:
    """`now` is aware."""
    return _is_allowed(windows, now) and _end(windows.deny, now) is None


def next_opening(windows: Windows, now: datetime) -> datetime | None:
    """The first moment from `now` on at which a promotion may go out, in UTC; None = none within the search limit."""
    moment = now
    for _ in range(_MOST_STEPS):
        denied = _end(windows.deny, moment)
        if denied is None and _is_allowed(windows, moment):
            return moment.astimezone(UTC)
        later = denied if denied is not None else _next_start(windows.allow, moment)
        if later is None:
            return None
        moment = later
    return None


def _is_allowed(windows: Windows, now: datetime) -> bool:
    return not windows.allow or _end(windows.allow, now) is not None


def _end(windows: Iterable[Window], now: datetime) -> datetime | None:
    """The end of the open window that closes last; None if none is open."""
    return max((end for window in windows if (end := _end_of(window, now)) is not None), default=None)


def _end_of(window: Window, now: datetime) -> datetime | None:
    last = None
    for number, start in enumerate(_starts(window, now - window.duration)):
        if start > now or number > _LONGEST_CHAIN:
            break
        last = start
    return None if last is None else last + window.duration


def _next_start(windows: Iterable[Window], now: datetime) -> datetime | None:
    firsts = (next(_starts(window, now), None) for window in windows)
    return min((first for first in firsts if first is not None), default=None)


def _starts(window: Window, after: datetime) -> Iterator[datetime]:
    """Openings later than `after`, in UTC."""
    zone = ZoneInfo(window.timezone)
    # cronsim counts in whole seconds and begins behind the moment that it is given.
    whole = after.astimezone(zone).replace(microsecond=0)
    try:
        for start in CronSim(window.cron, whole):
            found = start.astimezone(UTC)
            if found > after:
                yield found
    except CronSimError:  # pragma: no cover - pipeline.yaml was validated
        return
