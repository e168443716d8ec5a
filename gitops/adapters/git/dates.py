"""Dates as git prints them. A person who may push can write any number into a commit or a tag."""

from datetime import UTC, datetime

_FIRST = datetime.fromtimestamp(0, UTC)
_LAST = datetime(9998, 12, 31, tzinfo=UTC)
"""One year before the end of datetime, so that a time zone or a few added hours cannot overflow."""


def parse(seconds: str) -> datetime | None:
    """Reads seconds since 1970. None if the text is not a number, or lies beyond the year 9998."""
    found = int(seconds) if seconds.isascii() and seconds.isdecimal() and len(seconds) < 20 else -1
    return datetime.fromtimestamp(found, UTC) if 0 <= found <= _LAST.timestamp() else None


def clamp(seconds: str) -> datetime:
    """Reads the same for a record that needs a date: the last date for a larger number, 1970 if it is not a number."""
    return parse(seconds) or (_LAST if seconds.isascii() and seconds.isdecimal() else _FIRST)
