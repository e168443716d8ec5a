"""The pause before a retry: twice as long after each failure, up to a limit. Pure; jitter is the caller's."""

_MOST_DOUBLINGS = 30
"""Beyond any limit in use: 2.0 ** 1024 overflows."""


def pause(failures: int, *, first: float, longest: float) -> float:
    """Seconds before the next try, after this many failures in a row (from 1): `first`, doubled up to `longest`."""
    return min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)


def longer(waited: float, *, first: float, longest: float) -> float:
    """Seconds before the next try, after a failure that followed a pause of `waited` seconds (0: the first failure):
    the double, from `first` up to `longest`. The other side may have asked for that pause.
    """
    return min(2.0 * waited, longest) if waited else first
