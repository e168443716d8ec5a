"""The limit of open files and connections. Any client can hold connections, so a listener needs a bound."""

import resource
from contextlib import suppress

_ENOUGH = 65_536
"""Upper bound: some child programs visit every possible descriptor."""
_OWN_FILES = 200
"""Descriptors of everything else, at most: pipes of git and kustomize, watches, files."""
_LISTENERS = 3
_FEWEST = 16


def raise_limit() -> None:
    """Raises the soft limit as far as the hard limit allows. Systems start processes with 256 or 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # a kernel may allow less than the hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections() -> int:
    """Connections that one listener may hold, so that all listeners leave enough for the rest of the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max((limit - _OWN_FILES) // _LISTENERS, _FEWEST)
