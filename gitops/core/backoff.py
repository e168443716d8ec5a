"""The pause before a retry: it doubles after each failure, up to a limit. Pure; the caller adds jitter."""

_MOST_DOUBLINGS = 30
"""Beyond any limit in use: 2.0 ** 1024 overflows."""


def pause(failures: int, *, first: float, longest: float) -> float:
    """Seconds before the next try, after this many failures in a row (from 1): `first`, doubled up to `longest`."""
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
