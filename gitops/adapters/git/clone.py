"""One bare clone in a state directory: made, opened, repaired and replaced here, and owned by one controller at a time.

A damaged clone is never repaired in place: a new one is made beside it and replaces it once it is complete. Large files
stay on the remote until they are needed (blobs.py), so neither a long history nor a push fills the disk.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from gitops.adapters.git import damage
from gitops.adapters.git.blobs import FETCH, Blobs, has_no_single_objects
from gitops.adapters.git.objects import Objects
from gitops.adapters.git.process import LOCAL_LIMIT, Git, GitResult, acquire_lock, check_url, remove_leftovers, sanitize
from gitops.adapters.git.refs import KEPT, TrunkRefs, check_trunk
from gitops.adapters.git.remote import PARTIAL, GitAccess, GitRemote, is_above_cap
from gitops.core.errors import Conflict, GitopsError, Unavailable
from gitops.ports import GitObserver

_COMMITS_PER_GC = 500
_MOST_COMMITS_PER_GC = 16_000
_COMMITS_PER_FETCH = 10  # each fetch leaves a pack


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Sizes in bytes: the largest file that is read, the largest file of which the clone holds every version, the most
    that one exchange may transfer. Times in seconds: of a fetch, the first clone, a push, garbage collection, and the
    longest silence of a host. The first clone ignores `silence`: a host counts a large repo before it sends a byte.
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
    """`author` is the author of commits, as `Name <mail>`. `environment` is added to git's. `allowed_signers` is git's
    file of the identities whose signatures on tags count. `observer` learns of fetches and pushes.
    """

    author: str = "Lockstep <lockstep@localhost>"
    limits: GitLimits = field(default_factory=GitLimits)
    access: GitAccess = field(default_factory=GitAccess)
    environment: dict[str, str] = field(default_factory=dict)
    allowed_signers: Path | None = None
    observer: GitObserver | None = None


class FetchResult(Enum):
    """The outcome of Clone.fetch_object. OBJECT: the object came. HISTORY: the host serves no single objects, so every
    file that its refs reach came. DAMAGED: the fetch failed because the clone is damaged.
    """

    OBJECT = auto()
    HISTORY = auto()
    DAMAGED = auto()


class Clone:
    """`head` is the trunk's head as of the last fetch or push, empty before the first. `new_commits` counts commits
    since the last garbage collection. A thread that writes holds `lock`.
    """

    def __init__(self, url: str, trunk: str, directory: Path, options: GitOptions) -> None:
        self.trunk = check_trunk(trunk)
        self.url = check_url(url)
        self.directory = directory
        self.options = options
        self.remote = GitRemote(self.url, options.access, self.where)
        self.lock = threading.RLock()
        self.head = ""
        self.new_commits = _COMMITS_PER_GC
        self._gc_after = _COMMITS_PER_GC
        self._refs = TrunkRefs(trunk, self.where)
        self._blobs = Blobs(self.remote, options.limits.largest_file, (self._refs.refspec, f"+{KEPT}*:{KEPT}*"))
        self._small_files_only = True
        self._objects: Objects | None = None
        self._git: Git | None = None
        self._owner: int | None = None

    @property
    def where(self) -> str:
        """The remote's trunk, for messages."""
        return f"{sanitize(self.url)} ({self.trunk})"

    # -- the directory

    def objects(self) -> Objects:
        """Raises: Unavailable(NotFetched)."""
        objects = self._objects
        if objects is None:
            self.open()
            objects = self._objects
        if objects is None:
            raise self._not_fetched()
        return objects

    def require_head(self) -> str:
        """The head, from an opened clone. Raises: Unavailable(NotFetched)."""
        if not self.head:
            self.open()
        if not self.head:
            raise self._not_fetched()
        return self.head

    def git(self) -> Git:
        """Git for reading; it does not wait for a fetch or push of another thread."""
        return self._git or self.open()

    def open(self) -> Git:
        """Opens the clone; makes a new one if there is none of this URL. Raises: Unavailable."""
        with self.lock:
            return self._git or self._open_directory()

    def _open_directory(self) -> Git:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        if self._owner is None:
            self._owner = acquire_lock(self.directory.with_name(self.directory.name + ".owner"))
        for leftover in self.directory.parent.glob(self.directory.name + ".new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        git = self._runner(self.directory)
        if self.directory.is_dir():
            self.remove_leftovers()
        if not self._is_usable(git):
            self.replace()
            return self._runner(self.directory)
        self._use(git)
        return git

    def _is_usable(self, git: Git) -> bool:
        """True if the directory holds a clone of this URL with a complete head."""
        if not (self.directory / "HEAD").is_file():
            return False
        url = git.run(["config", "--local", "remote.origin.url"], limit=LOCAL_LIMIT)
        return url.stdout.decode(errors="replace").strip() == self.url and self._refs.read_complete(git) != ""

    def _use(self, git: Git) -> None:
        self._git = git
        self._objects = Objects(git, self.options.limits.largest_file)
        self.head = self._refs.read_complete(git)

    def _forget(self) -> None:
        if self._objects is not None:
            self._objects.close()
        self._objects = self._git = None

    def replace(self) -> str:
        """Makes a new clone; the old one stays in use until the new one is complete. Returns the head."""
        fresh = self.directory.with_name(f"{self.directory.name}.new-{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            self._make(self._runner(fresh, silence=int(self.options.limits.clone)))
        except GitopsError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        self._forget()
        old = fresh.with_name(fresh.name + ".old")
        with contextlib.suppress(FileNotFoundError):
            self.directory.rename(old)
        fresh.rename(self.directory)
        shutil.rmtree(old, ignore_errors=True)
        self._use(self._runner(self.directory))
        return self.head

    def replace_if_damaged(self, stderr: str) -> None:
        """Raises: Conflict(CloneReplaced) after it has replaced a damaged clone."""
        if damage.is_reported(stderr):
            self.replace()
            raise Conflict("CloneReplaced", "the clone was damaged and has been made anew")

    def _make(self, git: Git) -> None:
        git.directory.mkdir(parents=True)
        for arguments in (
            ["init", "--quiet", "--bare", "--template=", f"--initial-branch={self.trunk}"],
            ["config", "--local", "remote.origin.url", self.url],
        ):
            finished = git.run(arguments, limit=LOCAL_LIMIT)
            if finished.code:
                raise Unavailable("CloneFailed", f"git cannot clone into {git.directory}: {sanitize(finished.stderr)}")
        self._small_files_only = True
        finished = self.fetch(git, limit=self.options.limits.clone)
        head = self._refs.read_fetched(git)
        if finished.code == 0:
            finished = self._blobs.complete(git, head, "", limit=self.options.limits.clone)
        if finished.code:
            raise self.remote.translate(finished.stderr, "fetched")
        self._refs.move_complete(git, head)

    def _runner(self, directory: Path, *, silence: int = 0) -> Git:
        largest = str(self.options.limits.largest_file)
        return Git(
            directory,
            owner=self._owner,
            environment=self.options.environment,
            largest_output=self.options.limits.exchange,
            settings={
                "remote.origin.fetch": self._refs.refspec,
                "core.bigFileThreshold": largest,
                "http.lowSpeedTime": str(silence or self.options.limits.silence),
            },
        )

    def remove_leftovers(self) -> None:
        """Removes the files of a killed git. Only the owner may call it, while no git of its own writes."""
        remove_leftovers(self.directory)

    def collect_garbage(self, git: Git, *, is_idle: bool) -> None:
        """Packs loose objects and small packs: a commit leaves four or five objects, a fetch a pack. It runs four times
        as often while the controller is idle.

        A failure is ignored. The next attempt comes after twice as many commits, because commits wait for it.
        """
        if self.new_commits < (self._gc_after if is_idle else self._gc_after * 4):
            return
        self.new_commits = 0
        self._gc_after = min(self._gc_after * 2, _MOST_COMMITS_PER_GC)
        with contextlib.suppress(Unavailable):
            partial = replace(git, settings={**git.settings, **PARTIAL})
            arguments = ["gc", "--auto", "--quiet"]
            if self._run_cleanly(lambda: partial.run(arguments, limit=self.options.limits.tidy)).code == 0:
                self._gc_after = _COMMITS_PER_GC

    def close(self) -> None:
        """Ends the reading processes and unlocks the directory."""
        with self.lock:
            self._forget()
            if self._owner is not None:
                os.close(self._owner)
                self._owner = None

    # -- the remote

    def fetch(self, git: Git, *, limit: float | None = None) -> GitResult:
        """Fetches the trunk and the KEPT refs in one exchange, and prunes refs that the remote no longer has.

        New commits come with their files. The first fetch, and the one after a fetch that was cut off as too large,
        bring small files only; `advance` then fetches the other files that the head needs.
        """
        largest = self.options.limits.small_file if self._small_files_only else self.options.limits.largest_file
        arguments = [*FETCH, "--prune", f"--filter=blob:limit={largest + 1}", "--end-of-options", "origin"]
        before, self._small_files_only = self._small_files_only, True  # stays so if this exchange is cut off
        limit = limit or self.options.limits.fetch
        finished = self._run_cleanly(lambda: self.remote.ask(git, [*arguments, *self._blobs.refspecs], limit=limit))
        self._small_files_only = finished.code != 0 and (before or is_above_cap(finished.stderr))
        return finished

    def advance(self, git: Git) -> str:
        """Fetches the files that the fetched head needs, then makes it the head. Raises: Unavailable."""
        head = self._refs.read_fetched(git)
        if head != self.head:
            self.new_commits += _COMMITS_PER_FETCH
            limit = self.options.limits.fetch
            finished = self._run_cleanly(lambda: self._blobs.complete(git, head, self.head, limit=limit))
            if finished.code:
                raise self.remote.translate(finished.stderr, "fetched")
            self.move_head(git, head)
        return head

    def move_head(self, git: Git, head: str) -> None:
        """Makes a complete commit the head that is read. Raises: Unavailable(GitFailed)."""
        self._refs.move_complete(git, head)
        self.head = head

    def fetch_object(self, name: str) -> FetchResult:
        """Fetches a file, or the files of a tree up to the limit `largest_file`. Raises: Unavailable."""
        git, limit, result = self.open(), self.options.limits.fetch, FetchResult.OBJECT
        finished = self._run_cleanly(lambda: self._blobs.fetch_objects(git, [name], limit=limit))
        if has_no_single_objects(finished):
            result = FetchResult.HISTORY
            finished = self._run_cleanly(lambda: self._blobs.fetch_history(git, limit=limit))
        if finished.code == 0:
            return result
        if damage.is_in_clone(git, finished.stderr):
            return FetchResult.DAMAGED
        raise self.remote.translate(finished.stderr, "fetched")

    def is_missing(self, blob: str) -> bool:
        """True if the remote's commits hold this file as of the last fetch, and the clone does not."""
        return self._refs.is_missing(self.open(), blob, limit=self.options.limits.fetch)

    def _run_cleanly(self, exchange: Callable[[], GitResult]) -> GitResult:
        """Runs an exchange, and removes the leftovers of one that fails: half a pack has no use."""
        try:
            finished = exchange()
        except Unavailable:
            self.remove_leftovers()
            raise
        if finished.code:
            self.remove_leftovers()
        return finished

    def _not_fetched(self) -> Unavailable:
        return Unavailable("NotFetched", f"{self.where} was not fetched yet")
