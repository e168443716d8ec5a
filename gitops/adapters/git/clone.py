"""One bare clone in a state directory: made, opened, repaired and replaced here, and owned by one controller at a time.

A damaged clone is never mended: a new one is made beside it and takes its place when it is complete. Large files stay
on the remote until they are needed (git_blobs), so that neither a long history nor a push fills the disk.
"""

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from gitops.adapters.git import damage as git_damage
from gitops.adapters.git.blobs import FETCH, Blobs, is_no_single
from gitops.adapters.git.objects import Objects
from gitops.adapters.git.process import Git, GitResult, check_url, own, shown
from gitops.adapters.git.remote import PARTIAL, GitAccess, GitRemote, is_too_much
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable

LOCAL_LIMIT = 30.0
"""Seconds for a command that asks no remote."""

_REVISION = re.compile(r"[0-9a-f]{40}")
_TRUNK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_LONGEST_NAME = 200
_COMMITS_PER_GC = 500
_MOST_COMMITS_PER_GC = 16_000
_COMMITS_PER_FETCH = 10  # each leaves a pack

KEPT = "refs/lockstep/base/"
"""Refs of the remote, each named after the commit that it keeps."""


@dataclass(frozen=True, slots=True)
class GitLimits:
    """In bytes: the largest file that is read, the largest of which the clone has every version, and what one exchange
    may bring. In seconds: what a fetch, a first clone, a push and housekeeping may take, and how long a host may be
    silent meanwhile. The first clone waits for all of its time: a host counts a large repo before it sends a byte.
    """

    largest_file: int = 5 << 20
    small_file: int = 64 << 10
    exchange: int = 2 << 30
    fetch: float = 60.0
    clone: float = 600.0
    push: float = 30.0
    silence: int = 20
    tidy: float = 30.0


@dataclass(frozen=True, slots=True)
class GitOptions:
    """`author` signs the commits, as `Name <mail>`. `access`: what the host is shown. `environment` is added to git's.
    `allowed_signers`: git's file of those whose signatures under tags count.
    """

    author: str = "Lockstep <lockstep@localhost>"
    limits: GitLimits = field(default_factory=GitLimits)
    access: GitAccess = field(default_factory=GitAccess)
    environment: dict[str, str] = field(default_factory=dict)
    allowed_signers: Path | None = None


class FetchResult(Enum):
    """ASKED: just what was asked for. HISTORY: all that the remote's refs reach, since the host gives out nothing else.
    NOTHING: the clone is damaged.
    """

    ASKED = auto()
    HISTORY = auto()
    NOTHING = auto()


class Clone:
    """`head` is the trunk's head as of the last fetch or push, empty before; `untidy` counts commits since the last gc.
    `lock` is held by whoever writes.
    """

    def __init__(self, url: str, trunk: str, directory: Path, options: GitOptions) -> None:
        if (
            len(trunk) > _LONGEST_NAME
            or _TRUNK.fullmatch(trunk) is None
            or ".." in trunk
            or trunk.endswith((".lock", "."))
        ):
            raise Rejected("BadTrunk", f"{shown(trunk)!r} is not a branch name")
        self.url = check_url(url)
        self.trunk = trunk
        self.directory = directory
        self.options = options
        self.remote = GitRemote(self.url, options.access, self.where)
        self.blobs = Blobs(self.remote, options.limits.largest_file, (self._refspec, f"+{KEPT}*:{KEPT}*"))
        self.lock = threading.RLock()
        self.head = ""
        self.untidy = _COMMITS_PER_GC
        self._tidy_after = _COMMITS_PER_GC
        self._is_lean = True
        self._objects: Objects | None = None
        self._git: Git | None = None
        self._owner: int | None = None

    @property
    def where(self) -> str:
        """The remote's trunk, for messages."""
        return f"{shown(self.url)} ({self.trunk})"

    def objects(self) -> Objects:
        objects = self._objects
        if objects is None:
            self.open()
            objects = self._objects
        if objects is None:
            raise Unavailable("NotFetched", f"{self.where} was not fetched yet")
        return objects

    def git(self) -> Git:
        """For reading, without waiting for a fetch or push that is under way."""
        return self._git or self.open()

    def open(self) -> Git:
        with self.lock:
            return self._git or self._open_directory()

    def _open_directory(self) -> Git:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        if self._owner is None:
            self._owner = own(self.directory.with_name(self.directory.name + ".owner"))
        for leftover in self.directory.parent.glob(self.directory.name + ".new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        git = self._runner(self.directory)
        if self.directory.is_dir():
            self.remove_leftovers()
        if not self._is_ours(git):
            self.replace()
            return self._runner(self.directory)
        self._use(git)
        return git

    def tidy(self, git: Git, *, is_idle: bool) -> None:
        """Packs loose objects and small packs: a commit leaves four or five objects, a fetch a pack. Sooner when nobody
        waits. What fails here is no reason not to go on: it is tried again, after twice as many commits each time,
        since whoever wants to commit waits meanwhile.
        """
        if self.untidy < (self._tidy_after if is_idle else self._tidy_after * 4):
            return
        self.untidy = 0
        self._tidy_after = min(self._tidy_after * 2, _MOST_COMMITS_PER_GC)
        with contextlib.suppress(Unavailable):
            knowing = replace(git, settings={**git.settings, **PARTIAL})
            arguments = ["gc", "--auto", "--quiet"]
            if self._swept(lambda: knowing.run(arguments, limit=self.options.limits.tidy)).code == 0:
                self._tidy_after = _COMMITS_PER_GC

    def _is_ours(self, git: Git) -> bool:
        if not (self.directory / "HEAD").is_file():
            return False
        url = git.run(["config", "--local", "remote.origin.url"], limit=LOCAL_LIMIT)
        return url.stdout.decode(errors="replace").strip() == self.url and self.stored_head(git) != ""

    def _use(self, git: Git) -> None:
        self._git = git
        self._objects = Objects(git, self.options.limits.largest_file)
        self.head = self.stored_head(git)

    def forget(self) -> None:
        if self._objects is not None:
            self._objects.close()
        self._objects = self._git = None

    def replace(self) -> str:
        """Clones anew beside the old clone, which stays in use until the new one is complete."""
        fresh = self.directory.with_name(f"{self.directory.name}.new-{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            self._clone(self._runner(fresh, silence=int(self.options.limits.clone)))
        except GitopsError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        self.forget()
        old = fresh.with_name(fresh.name + ".old")
        with contextlib.suppress(FileNotFoundError):
            self.directory.rename(old)
        fresh.rename(self.directory)
        shutil.rmtree(old, ignore_errors=True)
        self._use(self._runner(self.directory))
        return self.head

    def replace_if_damaged(self, stderr: str) -> None:
        if git_damage.is_told(stderr):
            self.replace()
            raise Conflict("CloneReplaced", "the clone was damaged and has been made anew")

    def _clone(self, git: Git) -> None:
        git.directory.mkdir(parents=True)
        for arguments in (
            ["init", "--quiet", "--bare", "--template=", f"--initial-branch={self.trunk}"],
            ["config", "--local", "remote.origin.url", self.url],
        ):
            finished = git.run(arguments, limit=LOCAL_LIMIT)
            if finished.code:
                raise Unavailable("CloneFailed", f"no clone can be made in {git.directory}: {shown(finished.stderr)}")
        self._is_lean = True
        finished = self.fetch(git, limit=self.options.limits.clone)
        head = self._resolved(git, self._fetched)
        if finished.code == 0:
            finished = self.blobs.complete(git, head, "", limit=self.options.limits.clone)
        if finished.code:
            raise self.remote.trouble(finished.stderr, "fetched")
        self._point(git, head)

    def _runner(self, directory: Path, *, silence: int = 0) -> Git:
        largest = str(self.options.limits.largest_file)
        return Git(
            directory,
            owner=self._owner,
            environment=self.options.environment,
            largest_output=self.options.limits.exchange,
            settings={
                "remote.origin.fetch": self._refspec,
                "core.bigFileThreshold": largest,
                "http.lowSpeedTime": str(silence or self.options.limits.silence),
            },
        )

    @property
    def _refspec(self) -> str:
        return f"+refs/heads/{self.trunk}:{self._fetched}"

    @property
    def _tracking(self) -> str:
        return f"refs/remotes/origin/{self.trunk}"

    @property
    def _fetched(self) -> str:
        """Where a fetch puts the trunk's head. `_tracking` follows when all that it needs is here: a controller that is
        killed in between reads, when it is started again, the last head that is complete.
        """
        return f"refs/lockstep/fetched/{self.trunk}"

    def stored_head(self, git: Git) -> str:
        """The last head that is complete."""
        return self._resolved(git, self._tracking)

    def move(self, git: Git, head: str) -> None:
        """A head that is complete becomes the one that is read. Raises: Unavailable."""
        self._point(git, head)
        self.head = head

    def _point(self, git: Git, head: str) -> None:
        moved = git.run(["update-ref", self._tracking, head], limit=LOCAL_LIMIT)
        if moved.code and "File exists" in moved.stderr:
            self.remove_leftovers()
            moved = git.run(["update-ref", self._tracking, head], limit=LOCAL_LIMIT)
        if moved.code:
            raise Unavailable("GitFailed", f"{self.where}: {shown(moved.stderr)}")

    def _resolved(self, git: Git, ref: str) -> str:
        found = git.run(["rev-parse", "--verify", "--quiet", "--end-of-options", ref], limit=LOCAL_LIMIT)
        head = found.stdout.decode().strip()
        return head if _REVISION.fullmatch(head) else ""

    def fetch(self, git: Git, *, limit: float | None = None) -> GitResult:
        """The trunk and what is kept beside it, in one exchange; refs that the remote no longer has are forgotten.

        What is new since the last time comes with its files. The first time, and after an exchange that was cut off
        because it was too much, only small ones come; what the head needs besides is brought by `advance`.
        """
        largest = self.options.limits.small_file if self._is_lean else self.options.limits.largest_file
        arguments = [*FETCH, "--prune", f"--filter=blob:limit={largest + 1}", "--end-of-options", "origin"]
        was_lean, self._is_lean = self._is_lean, True  # which an exchange that is cut off leaves so
        limit = limit or self.options.limits.fetch
        finished = self._swept(lambda: self.remote.ask(git, [*arguments, *self.blobs.refspecs], limit=limit))
        self._is_lean = finished.code != 0 and (was_lean or is_too_much(finished.stderr))
        return finished

    def advance(self, git: Git) -> str:
        """What was fetched last becomes the head that is read, once all that it needs is here. Raises: Unavailable."""
        head = self._resolved(git, self._fetched)
        if head != self.head:
            self.untidy += _COMMITS_PER_FETCH
            limit = self.options.limits.fetch
            finished = self._swept(lambda: self.blobs.complete(git, head, self.head, limit=limit))
            if finished.code:
                raise self.remote.trouble(finished.stderr, "fetched")
            self.move(git, head)
        return head

    def bring(self, wanted: str) -> FetchResult:
        """A file, or every file of a tree that is not too large. Raises: Unavailable."""
        git, limit = self.open(), self.options.limits.fetch
        brought, finished = FetchResult.ASKED, self._swept(lambda: self.blobs.single(git, [wanted], limit=limit))
        if is_no_single(finished):
            brought, finished = FetchResult.HISTORY, self._swept(lambda: self.blobs.history(git, limit=limit))
        if finished.code == 0:
            return brought
        if git_damage.is_ours(git, finished.stderr):
            return FetchResult.NOTHING
        raise self.remote.trouble(finished.stderr, "fetched")

    def lacks(self, blob: str) -> bool:
        """Whether what the remote last had holds this file, and the clone does not."""
        git = self.open()
        told = ["rev-list", "--objects", "--missing=print", self._tracking, f"--glob={KEPT}"]
        listed = git.run(told, limit=self.options.limits.fetch)
        return f"?{blob}" in listed.stdout.decode(errors="replace").split("\n")

    def _swept(self, exchange: Callable[[], GitResult]) -> GitResult:
        """Half a pack of an exchange that was cut off is of no use to anybody."""
        try:
            finished = exchange()
        except Unavailable:
            self.remove_leftovers()
            raise
        if finished.code:
            self.remove_leftovers()
        return finished

    def remove_leftovers(self) -> None:
        """Lock and temporary files of a git that was killed. Only for the owner, while it runs no git that writes."""
        for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*", "objects/**/*.lock", "fast_import_crash_*"):
            for leftover in self.directory.glob(pattern):
                leftover.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the reading processes and gives the directory back."""
        with self.lock:
            self.forget()
            if self._owner is not None:
                os.close(self._owner)
                self._owner = None


def kept(git: Git) -> frozenset[str]:
    """Commits that a ref named after them keeps, in any repository. A ref that points elsewhere keeps nothing."""
    listed = git.run(["for-each-ref", "--format=%(objectname) %(refname)", KEPT], limit=LOCAL_LIMIT)
    pairs = (line.split(" ", 1) for line in listed.stdout.decode(errors="replace").splitlines())
    return frozenset(commit for commit, ref in pairs if ref == f"{KEPT}{commit}")
