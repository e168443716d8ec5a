"""The config repo as a bare clone that may be deleted at any time: no work tree, no index, no state of its own.

push.py writes commits, history.py answers questions about the past. A killed process can leave objects that no ref
reaches, which no reader sees, and lock files, which the next owner of the directory removes.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from cachetools import LRUCache

from gitops.adapters.git import damage
from gitops.adapters.git.clone import Clone, FetchResult, GitLimits, GitOptions
from gitops.adapters.git.history import CloneHistory
from gitops.adapters.git.objects import MissingObject, Objects, too_large
from gitops.adapters.git.push import TrunkWriter
from gitops.adapters.git.refs import check_revision, read_kept
from gitops.adapters.git.tags import Tags
from gitops.core.config_repo.commits import NewCommit, PastCommit
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.core.promotion.requests import SignedTag

__all__ = ["GitConfigRepo", "GitLimits", "GitOptions"]

_T = TypeVar("_T")

_MOST_TOO_LARGE = 10_000


class GitConfigRepo:
    """Implements ports.ConfigRepo. `directory` belongs to this object alone: it makes, repairs and replaces it."""

    def __init__(self, url: str, trunk: str, directory: Path, options: GitOptions | None = None) -> None:
        options = options or GitOptions()
        self._clone = Clone(url, trunk, directory, options)
        self._tags = Tags(options.allowed_signers)
        self._history = CloneHistory(self._clone)
        self._reader = _CloneReader(self._clone, self._history)
        self._writer = TrunkWriter(self._clone, self._reader, self._history)

    def fetch(self) -> str:
        began, outcome = time.monotonic(), "failed"
        try:
            head = self._fetch()
            outcome = "ok"
        finally:
            if self._clone.options.observer is not None:
                self._clone.options.observer.on_fetch(outcome, time.monotonic() - began)
        return head

    def _fetch(self) -> str:
        with self._clone.lock:
            git = self._clone.open()
            finished = self._clone.fetch(git)
            if finished.code and damage.is_in_clone(git, finished.stderr):
                return self._clone.replace()
            if finished.code and "File exists" in finished.stderr:
                self._clone.remove_leftovers()
                finished = self._clone.fetch(git)
            if finished.code:
                raise self._clone.remote.translate(finished.stderr, "fetched")
            before = self._clone.head
            head = self._clone.advance(git)
            self._clone.collect_garbage(git, is_idle=head == before)
            return head

    def head(self) -> str:
        return self._clone.require_head()

    def tree(self, revision: str) -> Tree:
        return self._reader.tree(revision)

    def read(self, blob: str) -> bytes:
        return self._reader.read(blob)

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self._history.is_ancestor(older, newer)

    def history(self, path: str, limit: int) -> Sequence[PastCommit]:
        return self._history.commits(path, limit)

    def trailers(self, key: str, since: str = "") -> frozenset[str]:
        return self._history.trailers(key, since)

    def first_commit(self, path: str) -> str | None:
        return self._history.first_commit(path)

    def subjects(self, path: str, older: str, newer: str) -> list[str]:
        """See CloneHistory.subjects."""
        return self._history.subjects(path, older, newer)

    def commit(self, parent: str, commits: Sequence[NewCommit]) -> str:
        return self._writer.commit(parent, commits)

    def write(self, parent: str, commits: Sequence[NewCommit]) -> str:
        return self._writer.write(parent, commits)

    def publish(self, parent: str, revision: str) -> str:
        return self._writer.publish(parent, revision)

    def keep(self, revisions: Collection[str]) -> None:
        self._writer.keep(revisions)

    def read_kept(self) -> frozenset[str]:
        return read_kept(self._clone.git())

    def tags(self, prefixes: Sequence[str]) -> Sequence[SignedTag]:
        with self._clone.lock:
            git = self._clone.open()
            filtered = f"--filter=blob:limit={self._clone.options.limits.small_file + 1}"
            arguments = self._tags.fetch_arguments(prefixes, filtered)
            finished = self._clone.remote.ask(git, arguments, limit=self._clone.options.limits.fetch)
            if finished.code:
                raise self._clone.remote.translate(finished.stderr, "fetched")
        return self._tags.read(git, prefixes)

    def close(self) -> None:
        """Ends the reading processes and unlocks the directory."""
        self._clone.close()


class _CloneReader:
    """Implements ports.Trees: reads files of a clone, fetches those that it lacks, and replaces a damaged clone."""

    def __init__(self, clone: Clone, history: CloneHistory) -> None:
        self._clone = clone
        self._history = history
        self._too_large: LRUCache[str, bool] = LRUCache(_MOST_TOO_LARGE)
        self._lock = threading.Lock()  # of the cache: the clone's lock is held during a fetch

    def tree(self, revision: str) -> Tree:
        check_revision(revision)
        try:
            return self._clone.objects().tree(revision)
        except MissingObject:
            if self._history.has(self._clone.require_head()) and not self._history.has(revision):
                raise Rejected("UnknownRevision", f"commit {revision} is not in the config repo's history") from None
            return self._read_or_replace(lambda objects: objects.tree(revision))

    def read(self, blob: str) -> bytes:
        check_revision(blob)
        with self._lock:
            is_too_large = self._too_large.get(blob, False)
        if is_too_large:
            raise too_large(blob, self._clone.options.limits.largest_file)
        try:
            return self._clone.objects().blob(blob)
        except MissingObject:
            return self._fetch(blob)

    def _read_or_replace(self, read: Callable[[Objects], _T]) -> _T:
        """Reads once more, and then from a new clone: the object was lost in this clone."""
        with self._clone.lock:
            for renew in (False, True):
                if renew:
                    self._clone.replace()
                try:
                    return read(self._clone.objects())
                except MissingObject as error:
                    missing = error
        raise Unavailable("ObjectMissing", f"object {missing} is missing in the clone and on the remote") from missing

    def _fetch(self, blob: str) -> bytes:
        """Fetches a file, together with all others that its tree lacks."""
        with self._clone.lock:
            with contextlib.suppress(MissingObject):
                return self._clone.objects().blob(blob)  # another thread has fetched it
            tree = self._clone.objects().find_tree(blob)
            result = self._clone.fetch_object(tree or blob)
            if result is FetchResult.DAMAGED:
                return self._read_or_replace(lambda objects: objects.blob(blob))
            with contextlib.suppress(MissingObject):
                return self._clone.objects().blob(blob)
            raise self._explain_missing(blob, is_known=tree is not None and result is FetchResult.OBJECT)

    def _explain_missing(self, blob: str, *, is_known: bool) -> GitopsError:
        """Explains why a fetch did not bring a file. TooLarge, which is final, needs proof that the remote has it."""
        if not (is_known or self._clone.is_missing(blob)):
            return Unavailable("ObjectMissing", f"object {blob} is missing in the clone and on the remote")
        with self._lock:
            self._too_large[blob] = True
        return too_large(blob, self._clone.options.limits.largest_file)
