"""Finds out whether a clone is damaged: by the words of git, and by a look at its objects."""

import contextlib
import re

from gitops.adapters.git.process import LOCAL_LIMIT, Git
from gitops.core.errors import Unavailable

_CORRUPT = re.compile(
    r"is corrupt|is empty|bad object|object corrupt|unable to read|unable to unpack|missing (?:blob|tree|commit|object)"
    r"|cannot be accessed|inflate:|invalid object|did not send all necessary objects|not a git repository"
    r"|Could not read [0-9a-f]{40}|bad tree object|index file .* is too small|unresolved delta|not a valid object"
    r"|unable to parse object|failed to traverse|fatal: bad (?:config|default revision)|is not a commit"
)


def is_reported(stderr: str) -> bool:
    """True if git reports damage in a local repository. The remote's lines about its own damage do not count."""
    own = (line for line in stderr.splitlines() if not line.startswith("remote:"))
    return any(_CORRUPT.search(line) for line in own)


def is_in_clone(git: Git, stderr: str) -> bool:
    """True if a command that spoke to the remote failed because the clone is damaged.

    Over ssh and from a directory git reports damage of the remote in the same words. So the commits and trees of the
    clone are checked as well.
    """
    if not is_reported(stderr):
        return False
    with contextlib.suppress(Unavailable):  # too many objects to check in time
        listing = ["rev-list", "--quiet", "--objects", "--filter=blob:none", "--all"]
        return git.run(listing, limit=LOCAL_LIMIT).code != 0
    return False
