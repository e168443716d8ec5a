"""Whether a clone is damaged: what git says, and what a look at the clone says."""

import contextlib
import re

from gitops.adapters.git.process import Git
from gitops.core.errors import Unavailable

_LIMIT = 30.0
_CORRUPT = re.compile(
    r"is corrupt|is empty|bad object|object corrupt|unable to read|unable to unpack|missing (?:blob|tree|commit|object)"
    r"|cannot be accessed|inflate:|invalid object|did not send all necessary objects|not a git repository"
    r"|Could not read [0-9a-f]{40}|bad tree object|index file .* is too small|unresolved delta|not a valid object"
    r"|unable to parse object|failed to traverse|fatal: bad (?:config|default revision)|is not a commit"
)


def is_told(stderr: str) -> bool:
    """Whether git complains about a repository. What the remote says about itself is no reason to clone again."""
    own = (line for line in stderr.splitlines() if not line.startswith("remote:"))
    return any(_CORRUPT.search(line) for line in own)


def is_ours(git: Git, stderr: str) -> bool:
    """Whether a command that spoke to a remote failed because of the clone. Over ssh and from a directory the remote's
    own damage is told in the same words, so the commits and trees that are here are looked at as well.
    """
    if not is_told(stderr):
        return False
    with contextlib.suppress(Unavailable):  # too many to be looked at in time
        told = ["rev-list", "--quiet", "--objects", "--filter=blob:none", "--all"]
        return git.run(told, limit=_LIMIT).code != 0
    return False
