"""A partial clone: it holds every version of small files, and larger files only for the trees that are read.

A config repo's history may be a hundred times as large as its head. Most reads are of small files (old releases, the
base that an environment is locked to), which cost little; large files fill the gigabytes. So a clone leaves large files
out and fetches those that a tree needs, all of them in one exchange: https://git-scm.com/docs/partial-clone
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitops.adapters.git.process import LOCAL_LIMIT, Git, GitResult
from gitops.adapters.git.remote import GitRemote

NEEDED = ("base", "environments")
"""Directories of the head whose files the clone must hold before the head counts as fetched."""

FETCH = ("fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head")

_NOTHING = GitResult(0, b"", "")
# The answers of a host that speaks protocol 0, or serves single objects to no client.
_NO_SINGLE_OBJECTS = re.compile(r"not our ref|unadvertised object|bad pack header|not valid: want")


@dataclass(frozen=True, slots=True)
class Blobs:
    """Fetches files of a partial clone. `largest` is the size limit of a file in bytes, `refspecs` those of a fetch."""

    remote: GitRemote
    largest: int
    refspecs: Sequence[str]

    def complete(self, git: Git, head: str, before: str, *, limit: float) -> GitResult:
        """Fetches the files that the head's NEEDED directories lack. `before` is an older complete head, or empty."""
        if before and not _lacks(git, [f"{head}^{{tree}}", f"^{before}^{{tree}}"]):
            return _NOTHING
        trees = self._list_needed(git, head)
        return self.fill(git, trees, limit=limit) if trees and _lacks(git, trees) else _NOTHING

    def fill(self, git: Git, trees: Sequence[str], *, limit: float) -> GitResult:
        """Fetches the files of these trees, up to `largest`. From a host that serves no single trees it fetches such
        files of the whole history.
        """
        finished = self.fetch_objects(git, trees, limit=limit)
        return self.fetch_history(git, limit=limit) if has_no_single_objects(finished) else finished

    def fetch_objects(self, git: Git, objects: Sequence[str], *, limit: float) -> GitResult:
        """Fetches files by id, or the files of trees up to `largest`."""
        stdin = "".join(f"{each}\n" for each in objects).encode()
        arguments = [*self._refetch, "--stdin", "--end-of-options", "origin"]
        return self.remote.ask(git, arguments, limit=limit, stdin=stdin)

    def fetch_history(self, git: Git, *, limit: float) -> GitResult:
        """Fetches the files of the whole history, up to `largest`."""
        return self.remote.ask(git, [*self._refetch, "--end-of-options", "origin", *self.refspecs], limit=limit)

    @property
    def _refetch(self) -> Sequence[str]:
        return [*FETCH, "--refetch", f"--filter=blob:limit={self.largest + 1}"]

    def _list_needed(self, git: Git, head: str) -> Sequence[str]:
        listed = git.run(["ls-tree", "-d", "--end-of-options", head, *NEEDED], limit=LOCAL_LIMIT)
        return [line.split()[2] for line in listed.stdout.decode(errors="replace").splitlines()]


def has_no_single_objects(finished: GitResult) -> bool:
    """True if the host does not serve single objects, or not these."""
    return finished.code != 0 and _NO_SINGLE_OBJECTS.search(finished.stderr) is not None


def _lacks(git: Git, revisions: Sequence[str]) -> bool:
    """True if an object of these trees is missing in the clone, or if git fails to list them."""
    stdin = "".join(f"{revision}\n" for revision in revisions).encode()
    arguments = ["rev-list", "--objects", "--no-walk", "--missing=print", "--stdin"]
    listed = git.run(arguments, limit=LOCAL_LIMIT, stdin=stdin)
    return listed.code != 0 or any(line.startswith(b"?") for line in listed.stdout.splitlines())
