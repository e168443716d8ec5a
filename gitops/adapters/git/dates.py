"""Dates as git prints them. Whoever may push may write any number into a commit or a tag."""

from datetime import UTC, datetime

_FIRST = datetime.fromtimestamp(0, UTC)
_LAST = datetime(9998, 12, 31, tzinfo=UTC)
"""A year before what datetime can hold, so that a time zone or some hours more never lead beyond."""


def moment(seconds: str) -> datetime | None:
    """None for what is no date: no number, or one beyond the year 9998."""
    found = int(seconds) if seconds.isascii() and seconds.isdecimal() and len(seconds) < 20 else -1
    return datetime.fromtimestamp(found, UTC) if 0 <= found <= _LAST.timestamp() else None


def nearest(seconds: str) -> datetime:
    """The same for a record that must have a date: beyond the end it is the end, and without a number the beginning."""
    return moment(seconds) or (_LAST if seconds.isascii() and seconds.isdecimal() else _FIRST)
