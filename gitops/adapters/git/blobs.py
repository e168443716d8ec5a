"""Which files a clone holds: small ones in every version, larger ones only where a tree that is read has them.

A config repo's history may be a hundred times as large as its head. Small files are most of what is ever read of it
(old releases, the base that an environment is locked to), and cost little; what fills gigabytes is large. So a clone
leaves large files out, and brings those that are needed by the tree, all of them in one exchange:
https://git-scm.com/docs/partial-clone
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitops.adapters.git.process import Git, GitResult
from gitops.adapters.git.remote import GitRemote

NEEDED = ("base", "environments")
"""Directories of the head that are complete before the head counts as fetched."""

FETCH = ("fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head")

_NOTHING = GitResult(0, b"", "")
_LOCAL_LIMIT = 30.0
# A host that speaks protocol 0, or allows single objects to no client.
_NO_SINGLE_OBJECTS = re.compile(r"not our ref|unadvertised object|bad pack header|not valid: want")


@dataclass(frozen=True, slots=True)
class Blobs:
    """`largest` is the size in bytes of a file that is ever wanted, `refspecs` what a fetch asks for."""

    remote: GitRemote
    largest: int
    refspecs: Sequence[str]

    def complete(self, git: Git, head: str, before: str, *, limit: float) -> GitResult:
        """Brings what the head's directories need. `before`: a head that is complete; empty: there is none."""
        if before and not _lacks(git, [f"{head}^{{tree}}", f"^{before}^{{tree}}"]):
            return _NOTHING
        trees = self._needed(git, head)
        return self.fill(git, trees, limit=limit) if trees and _lacks(git, trees) else _NOTHING

    def fill(self, git: Git, trees: Sequence[str], *, limit: float) -> GitResult:
        """Brings every file of these trees that is not too large; with a host that gives out no single trees, every
        such file of the whole history.
        """
        finished = self.single(git, trees, limit=limit)
        return self.history(git, limit=limit) if is_no_single(finished) else finished

    def single(self, git: Git, objects: Sequence[str], *, limit: float) -> GitResult:
        """Files, or every file of trees that is not too large."""
        stdin = "".join(f"{each}\n" for each in objects).encode()
        arguments = [*self._refetch, "--stdin", "--end-of-options", "origin"]
        return self.remote.ask(git, arguments, limit=limit, stdin=stdin)

    def history(self, git: Git, *, limit: float) -> GitResult:
        """Every file of the whole history that is not too large."""
        return self.remote.ask(git, [*self._refetch, "--end-of-options", "origin", *self.refspecs], limit=limit)

    @property
    def _refetch(self) -> Sequence[str]:
        return [*FETCH, "--refetch", f"--filter=blob:limit={self.largest + 1}"]

    def _needed(self, git: Git, head: str) -> Sequence[str]:
        listed = git.run(["ls-tree", "-d", "--end-of-options", head, *NEEDED], limit=_LOCAL_LIMIT)
        return [line.split()[2] for line in listed.stdout.decode(errors="replace").splitlines()]


def is_no_single(finished: GitResult) -> bool:
    """Whether the host gives out no single objects, or not these."""
    return finished.code != 0 and _NO_SINGLE_OBJECTS.search(finished.stderr) is not None


def _lacks(git: Git, revisions: Sequence[str]) -> bool:
    """Whether the clone has not every object of these trees; True also when git cannot tell."""
    stdin = "".join(f"{revision}\n" for revision in revisions).encode()
    arguments = ["rev-list", "--objects", "--no-walk", "--missing=print", "--stdin"]
    listed = git.run(arguments, limit=_LOCAL_LIMIT, stdin=stdin)
    return listed.code != 0 or any(line.startswith(b"?") for line in listed.stdout.splitlines())
