"""How many files and connections the process may have open. Strangers hold connections, so the door must know."""

import resource
from contextlib import suppress

_ENOUGH = 65_536
"""More is never needed here, and some programs that are started walk through all that may be open."""
_OWN_FILES = 200
"""What everything else has open at most: pipes of git and kustomize, watches, files."""
_LISTENERS = 3
_FEWEST = 16


def raise_limit() -> None:
    """As high as the hard limit lets it, if that is more than now. Systems start processes with 256 or 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # a kernel may allow less than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections() -> int:
    """What one of the listeners may hold, so that all of them leave enough for the rest of the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _ENOUGH if soft == resource.RLIM_INFINITY else soft
    return max((limit - _OWN_FILES) // _LISTENERS, _FEWEST)
