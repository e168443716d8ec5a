"""The config repo as a bare clone that may be thrown away at any time: no work tree, no index, no state of its own.

Commits are written by one `git fast-import` into a private ref and become real by one push that is a compare-and-swap
on the trunk. What a killed process leaves behind is never read: objects nobody refers to, and lock files, which are
removed by whoever owns the directory next.
"""

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from gitops.adapters.git_objects import MissingObject, Objects, too_large
from gitops.adapters.git_process import Finished, Git, check_url, is_local, own, shown
from gitops.adapters.git_push import Landed, import_stream, verdict
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable
from gitops.ports import NewCommit, PastCommit, Tree

_T = TypeVar("_T")

_REVISION = re.compile(r"[0-9a-f]{40}")
_TRUNK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_CORRUPT = re.compile(
    r"is corrupt|is empty|bad object|object corrupt|unable to read|unable to unpack|missing (?:blob|tree|commit|object)"
    r"|cannot be accessed|inflate:|invalid object|did not send all necessary objects|not a git repository"
    r"|Could not read [0-9a-f]{40}|bad tree object|index file .* is too small|unresolved delta|not a valid object"
    r"|unable to parse object|failed to traverse|fatal: bad (?:config|default revision)|is not a commit"
)
_LOG = "%H%x1f%ct%x1f%an <%ae>%x1f%s%x1f%(trailers:only=true,unfold=true)%x1e"
_LOCAL_LIMIT = 30.0
_COMMITS_PER_GC = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of one file; seconds that a fetch, a first clone and a push may take."""

    largest_file: int = 5 << 20
    fetch: float = 60.0
    clone: float = 600.0
    push: float = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """`author` signs the commits, as `Name <mail>`. `environment` is added to git's (proxies, certificates)."""

    author: str = "Lockstep <lockstep@localhost>"
    limits: Limits = field(default_factory=Limits)
    environment: dict[str, str] = field(default_factory=dict)


class GitConfigRepo:
    """Implements ports.ConfigRepo. `directory` belongs to this object alone; it is made, repaired and replaced here."""

    def __init__(self, url: str, trunk: str, directory: Path, options: Options | None = None) -> None:
        if _TRUNK.fullmatch(trunk) is None or ".." in trunk or trunk.endswith((".lock", ".")):
            raise Rejected("BadTrunk", f"{trunk!r} is not a branch name")
        self._url = check_url(url)
        self._trunk = trunk
        self._directory = directory
        self._options = options or Options()
        self._write = threading.RLock()
        self._objects: Objects | None = None
        self._git: Git | None = None
        self._owner: int | None = None
        self._head = ""
        self._untidy = _COMMITS_PER_GC
        self._too_large: set[str] = set()

    # -- ports.ConfigRepo

    def fetch(self) -> str:
        with self._write:
            git = self._open()
            self._tidy(git)
            finished = self._fetch(git)
            if finished.code and _CORRUPT.search(finished.stderr):
                return self._replace_clone()
            if finished.code and "File exists" in finished.stderr:
                _remove_leftovers(self._directory)
                finished = self._fetch(git)
            if finished.code:
                raise self._fetch_error(finished.stderr)
            self._head = self._stored_head(git)
            return self._head

    def head(self) -> str:
        if not self._head:
            self._open()
        if not self._head:
            raise Unavailable("NotFetched", f"{shown(self._url)} was not fetched yet")
        return self._head

    def tree(self, revision: str) -> Tree:
        _check_revision(revision)
        try:
            return self._reading().tree(revision)
        except MissingObject:
            if not self._has(revision):
                raise Rejected("UnknownRevision", f"commit {revision} is not in the config repo's history") from None
            return self._repaired(lambda objects: objects.tree(revision))

    def read(self, blob: str) -> bytes:
        _check_revision(blob)
        largest = self._options.limits.largest_file
        if blob in self._too_large:
            raise too_large(blob, largest)
        try:
            return self._reading().blob(blob)
        except MissingObject:
            pass
        try:
            return self._repaired(lambda objects: objects.blob(blob))
        except Unavailable as error:
            if error.reason != "ObjectMissing":
                raise
            # A fresh clone leaves out exactly the files above the limit.
            self._too_large.add(blob)
            raise too_large(blob, largest) from error

    def is_ancestor(self, older: str, newer: str) -> bool:
        _check_revision(older)
        _check_revision(newer)
        finished = self._local(["merge-base", "--is-ancestor", "--end-of-options", older, newer])
        if finished.code not in {0, 1}:
            unknown = [revision for revision in (older, newer) if not self._has(revision)]
            if unknown:
                raise Rejected("UnknownRevision", f"commit {unknown[0]} is not in the config repo's history")
            raise Unavailable("GitFailed", shown(finished.stderr))
        return finished.code == 0

    def history(self, path: str, limit: int) -> Sequence[PastCommit]:
        arguments = ["log", f"--format={_LOG}", f"--max-count={int(limit)}", "--end-of-options", self.head(), "--"]
        finished = self._local([*arguments, path] if path else arguments)
        if finished.code:
            raise Unavailable("GitFailed", f"the history of {path!r} cannot be read: {shown(finished.stderr)}")
        records = finished.stdout.decode(errors="replace").split("\x1e")
        return [_past_commit(record.lstrip("\n")) for record in records if record.strip()]

    def commit(self, parent: str, commits: Sequence[NewCommit]) -> str:
        _check_revision(parent)
        with self._write:
            git = self._open()
            if parent != self._head:
                raise Conflict("TrunkMoved", f"{self._trunk} is at {self._head[:12]}, no longer at {parent[:12]}")
            self._untidy += len(commits)
            revision = self._import(git, parent, commits)
            return self._push(git, parent, revision)

    def close(self) -> None:
        """Ends the reading processes and gives the directory back."""
        with self._write:
            self._forget()
            if self._owner is not None:
                os.close(self._owner)
                self._owner = None

    # -- the clone

    def _open(self) -> Git:
        with self._write:
            return self._git or self._open_directory()

    def _open_directory(self) -> Git:
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        if self._owner is None:
            self._owner = own(self._directory.with_name(self._directory.name + ".owner"))
        for leftover in self._directory.parent.glob(self._directory.name + ".new*"):
            shutil.rmtree(leftover, ignore_errors=True)
        git = self._runner(self._directory)
        if self._directory.is_dir():
            _remove_leftovers(self._directory)
        if not self._is_ours(git):
            self._replace_clone()
            return self._runner(self._directory)
        # A clone that was fetched before serves its last head, also while the remote is down.
        self._use(git)
        return git

    def _tidy(self, git: Git) -> None:
        """Packs loose objects: a commit leaves four or five of them. What fails here is no reason not to go on."""
        if self._untidy >= _COMMITS_PER_GC:
            self._untidy = 0
            with contextlib.suppress(Unavailable):
                git.run(["gc", "--auto", "--quiet"], limit=self._options.limits.fetch)

    def _is_ours(self, git: Git) -> bool:
        if not (self._directory / "HEAD").is_file():
            return False
        url = git.run(["config", "--local", "remote.origin.url"], limit=_LOCAL_LIMIT)
        return url.stdout.decode(errors="replace").strip() == self._url and self._stored_head(git) != ""

    def _use(self, git: Git) -> None:
        self._git = git
        self._objects = Objects(git, self._options.limits.largest_file)
        self._head = self._stored_head(git)

    def _forget(self) -> None:
        if self._objects is not None:
            self._objects.close()
        self._objects = self._git = None

    def _replace_clone(self) -> str:
        """Clones anew beside the old clone, which stays in use until the new one is complete."""
        fresh = self._directory.with_name(f"{self._directory.name}.new-{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            self._clone(self._runner(fresh))
        except GitopsError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        self._forget()
        shutil.rmtree(self._directory, ignore_errors=True)
        fresh.rename(self._directory)
        self._use(self._runner(self._directory))
        return self._head

    def _replace_if_corrupt(self, stderr: str) -> None:
        if _CORRUPT.search(stderr):
            self._replace_clone()
            raise Conflict("CloneReplaced", "the clone was damaged and has been made anew")

    def _clone(self, git: Git) -> None:
        git.directory.mkdir(parents=True)
        for arguments in (
            ["init", "--quiet", "--bare", "--template=", f"--initial-branch={self._trunk}"],
            ["config", "--local", "remote.origin.url", self._url],
        ):
            finished = git.run(arguments, limit=_LOCAL_LIMIT)
            if finished.code:
                raise Unavailable("CloneFailed", f"no clone can be made in {git.directory}: {shown(finished.stderr)}")
        finished = self._fetch(git, limit=self._options.limits.clone)
        if finished.code:
            raise self._fetch_error(finished.stderr)

    def _runner(self, directory: Path) -> Git:
        largest = str(self._options.limits.largest_file)
        return Git(
            directory,
            protocols="file" if is_local(self._url) else "https:ssh",
            owner=self._owner,
            environment=self._options.environment,
            settings={
                "remote.origin.fetch": f"+refs/heads/{self._trunk}:{self._tracking}",
                "core.bigFileThreshold": largest,
            },
        )

    @property
    def _tracking(self) -> str:
        return f"refs/remotes/origin/{self._trunk}"

    def _stored_head(self, git: Git) -> str:
        found = git.run(["rev-parse", "--verify", "--quiet", "--end-of-options", self._tracking], limit=_LOCAL_LIMIT)
        head = found.stdout.decode().strip()
        return head if _REVISION.fullmatch(head) else ""

    # -- the remote

    def _fetch(self, git: Git, *, limit: float | None = None) -> Finished:
        arguments = ["fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head"]
        arguments += [f"--filter=blob:limit={self._options.limits.largest_file + 1}", "--end-of-options", "origin"]
        return git.run(arguments, limit=limit or self._options.limits.fetch)

    def _fetch_error(self, stderr: str) -> GitopsError:
        where = f"{shown(self._url)} ({self._trunk})"
        if "couldn't find remote ref" in stderr:
            return Rejected("TrunkGone", f"{where}: the remote has no such branch; what it last held stays in use")
        if "object-format" in stderr or "mismatched algorithms" in stderr:
            return Rejected("Sha256Repository", f"{where}: repositories with SHA-256 object names are not supported")
        if "No space left" in stderr or "File too large" in stderr:
            return Unavailable("DiskFull", f"{where} cannot be fetched: {shown(stderr)}")
        return Unavailable("RemoteUnavailable", f"{where} cannot be fetched: {shown(stderr)}")

    def _import(self, git: Git, parent: str, commits: Sequence[NewCommit]) -> str:
        tree = self.tree(parent)

        def mode(path: str) -> str:
            known = tree.get(path)
            return "100755" if known is not None and known.mode == "100755" else "100644"

        stream = import_stream(parent, commits, author=self._options.author, mode=mode)
        arguments = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"]
        finished = git.run(arguments, limit=_LOCAL_LIMIT, stdin=stream)
        if finished.code and "File exists" in finished.stderr:
            _remove_leftovers(self._directory)
            finished = git.run(arguments, limit=_LOCAL_LIMIT, stdin=stream)
        if finished.code:
            self._replace_if_corrupt(finished.stderr)
            raise Unavailable("GitFailed", f"the commit cannot be written: {shown(finished.stderr)}")
        return finished.stdout.decode().strip()

    def _push(self, git: Git, parent: str, revision: str) -> str:
        lease = f"--force-with-lease=refs/heads/{self._trunk}:{parent}"
        target = f"{revision}:refs/heads/{self._trunk}"
        arguments = ["push", "--porcelain", "--no-verify", lease, "--end-of-options", "origin", target]
        try:
            answer = verdict(git.run(arguments, limit=self._options.limits.push))
        except Unavailable as error:
            return self._landed_after_all(git, revision, error)
        if answer.landed is Landed.LOST_RACE:
            raise Conflict("TrunkMoved", f"{self._trunk} moved on the remote: {answer.text}")
        if answer.landed is Landed.REFUSED:
            raise Rejected("PushRefused", f"the remote refuses commits on {self._trunk}: {answer.text}")
        if answer.landed is Landed.UNKNOWN:
            self._replace_if_corrupt(answer.text)
            where = f"{shown(self._url)} ({self._trunk})"
            unknown = Unavailable("RemoteUnavailable", f"{where} cannot be pushed to: {answer.text}")
            return self._landed_after_all(git, revision, unknown)
        self._head = revision
        return revision

    def _landed_after_all(self, git: Git, revision: str, error: Unavailable) -> str:
        """A push without an answer may have been taken: the remote's trunk tells. Raises `error` when it was not."""
        with contextlib.suppress(Unavailable):
            if self._fetch(git).code == 0:
                self._head = self._stored_head(git)
                if self.is_ancestor(revision, self._head):
                    return revision
        raise error

    # -- reading

    def _reading(self) -> Objects:
        objects = self._objects
        if objects is None:
            self._open()
            objects = self._objects
        if objects is None:
            raise Unavailable("NotFetched", f"{shown(self._url)} was not fetched yet")
        return objects

    def _repaired(self, again: Callable[[Objects], _T]) -> _T:
        """Reads once more, if need be from a new clone: whatever is missing here was lost here."""
        with self._write:
            for renew in (False, True):
                if renew:
                    self._replace_clone()
                try:
                    return again(self._reading())
                except MissingObject as error:
                    missing = error
        raise Unavailable("ObjectMissing", f"object {missing} is missing in the clone and on the remote") from missing

    def _has(self, revision: str) -> bool:
        return self._local(["rev-list", "--max-count=1", "--end-of-options", revision]).code == 0

    def _local(self, arguments: Sequence[str]) -> Finished:
        self._reading()
        git = self._git or self._open()
        return git.run(arguments, limit=_LOCAL_LIMIT)


def _check_revision(revision: str) -> None:
    if _REVISION.fullmatch(revision) is None:
        raise Rejected("BadRevision", f"{shown(revision)!r} is not a full commit id")


def _past_commit(record: str) -> PastCommit:
    revision, seconds, author, subject, trailers = record.split("\x1f", 4)
    pairs = (line.partition(": ") for line in trailers.splitlines())
    return PastCommit(
        id=revision,
        committed_at=datetime.fromtimestamp(int(seconds), UTC),
        author=shown(author),
        subject=shown(subject),
        trailers={key: value for key, separator, value in pairs if separator},
    )


def _remove_leftovers(directory: Path) -> None:
    """Lock and temporary files of a git that was killed. Only for the owner of the directory, while it runs no git."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*", "objects/**/*.lock", "fast_import_crash_*"):
        for leftover in directory.glob(pattern):
            leftover.unlink(missing_ok=True)
