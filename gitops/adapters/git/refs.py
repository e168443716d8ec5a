"""The refs of a clone: the trunk as fetched, the trunk as read, and the commits that the remote keeps for Lockstep."""

import re

from gitops.adapters.git.process import LOCAL_LIMIT, Git, remove_leftovers, sanitize
from gitops.core.errors import Rejected, Unavailable

KEPT = "refs/lockstep/base/"
"""Refs of the remote, each named after the commit that it keeps from garbage collection."""

_REVISION = re.compile(r"[0-9a-f]{40}")
_TRUNK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_LONGEST_NAME = 200


def check_trunk(trunk: str) -> str:
    """Returns the name of the trunk. Raises: Rejected(BadTrunk) if it is not the name of a branch."""
    is_too_long = len(trunk) > _LONGEST_NAME
    if is_too_long or _TRUNK.fullmatch(trunk) is None or ".." in trunk or trunk.endswith((".lock", ".")):
        raise Rejected("BadTrunk", f"{sanitize(trunk)!r} is not a branch name")
    return trunk


def check_revision(revision: str) -> None:
    """Raises: Rejected(BadRevision) unless `revision` is a full commit or blob id."""
    if _REVISION.fullmatch(revision) is None:
        raise Rejected("BadRevision", f"{sanitize(revision)!r} is not a full commit id")


class TrunkRefs:
    """Two refs of the trunk in a clone. A fetch moves `fetched`; `complete` follows when the clone holds every file
    that the head needs. So a controller that is killed in between reads the last complete head after its restart.
    `where` names the remote's trunk in messages.
    """

    def __init__(self, trunk: str, where: str) -> None:
        self._fetched = f"refs/lockstep/fetched/{trunk}"
        self._complete = f"refs/remotes/origin/{trunk}"
        self._where = where
        self.refspec = f"+refs/heads/{trunk}:{self._fetched}"

    def read_fetched(self, git: Git) -> str:
        """The head of the last fetch, or empty."""
        return _resolve(git, self._fetched)

    def read_complete(self, git: Git) -> str:
        """The last complete head, or empty."""
        return _resolve(git, self._complete)

    def move_complete(self, git: Git, head: str) -> None:
        """Raises: Unavailable(GitFailed)."""
        moved = git.run(["update-ref", self._complete, head], limit=LOCAL_LIMIT)
        if moved.code and "File exists" in moved.stderr:
            remove_leftovers(git.directory)
            moved = git.run(["update-ref", self._complete, head], limit=LOCAL_LIMIT)
        if moved.code:
            raise Unavailable("GitFailed", f"{self._where}: {sanitize(moved.stderr)}")

    def is_missing(self, git: Git, blob: str, *, limit: float) -> bool:
        """True if the remote's commits hold this file as of the last fetch, and the clone does not."""
        listing = ["rev-list", "--objects", "--missing=print", self._complete, f"--glob={KEPT}"]
        listed = git.run(listing, limit=limit)
        return f"?{blob}" in listed.stdout.decode(errors="replace").split("\n")


def read_kept(git: Git) -> frozenset[str]:
    """The commits that a KEPT ref named after them keeps, in any repository. A ref that points elsewhere keeps none."""
    listed = git.run(["for-each-ref", "--format=%(objectname) %(refname)", KEPT], limit=LOCAL_LIMIT)
    pairs = (line.split(" ", 1) for line in listed.stdout.decode(errors="replace").splitlines())
    return frozenset(commit for commit, ref in pairs if ref == f"{KEPT}{commit}")


def _resolve(git: Git, ref: str) -> str:
    found = git.run(["rev-parse", "--verify", "--quiet", "--end-of-options", ref], limit=LOCAL_LIMIT)
    head = found.stdout.decode().strip()
    return head if _REVISION.fullmatch(head) else ""
