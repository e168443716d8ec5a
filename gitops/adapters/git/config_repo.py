"""The config repo as a bare clone that may be thrown away at any time: no work tree, no index, no state of its own.

Commits are written by one `git fast-import` into a private ref and become real by one push that is a compare-and-swap
on the trunk. What a killed process leaves behind is never read: objects nobody refers to, and lock files, which are
removed by whoever owns the directory next.
"""

import contextlib
import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from gitops.adapters.git import damage as git_damage
from gitops.adapters.git import dates as git_dates
from gitops.adapters.git.clone import KEPT, LOCAL_LIMIT, Clone, FetchResult, GitLimits, GitOptions, kept
from gitops.adapters.git.first_commit import first_commits
from gitops.adapters.git.objects import MissingObject, Objects, too_large
from gitops.adapters.git.process import Git, GitResult, shown
from gitops.adapters.git.push import PushOutcome, import_stream, verdict
from gitops.adapters.git.tags import Tags
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable
from gitops.core.promotion.requests import SignedTag
from gitops.ports import NewCommit, PastCommit

__all__ = ["GitConfigRepo", "GitLimits", "GitOptions"]

_T = TypeVar("_T")

_REVISION = re.compile(r"[0-9a-f]{40}")
# NUL is the one character that no message can hold. The paths come behind the format.
_LOG = "%x00%H%x00%ct%x00%an <%ae>%x00%s%x00%(trailers:only=true,unfold=true)%x00"
_FIELDS = 6
_MOST_ANSWERS = 50_000
_MOST_TOO_LARGE = 10_000


class GitConfigRepo:
    """Implements ports.ConfigRepo. `directory` belongs to this object alone; it is made, repaired and replaced here."""

    def __init__(self, url: str, trunk: str, directory: Path, options: GitOptions | None = None) -> None:
        options = options or GitOptions()
        self._clone = Clone(url, trunk, directory, options)
        self._tags = Tags(options.allowed_signers)
        self._too_large: set[str] = set()
        # The id of a commit names its whole past: whatever becomes of the trunk, an answer stays true. Errors do not.
        self._ancestry = lru_cache(_MOST_ANSWERS)(self._asked_ancestry)

    # -- ports.ConfigRepo

    def fetch(self) -> str:
        with self._clone.lock:
            git = self._clone.open()
            finished = self._clone.fetch(git)
            if finished.code and git_damage.is_ours(git, finished.stderr):
                return self._clone.replace()
            if finished.code and "File exists" in finished.stderr:
                self._clone.remove_leftovers()
                finished = self._clone.fetch(git)
            if finished.code:
                raise self._clone.remote.trouble(finished.stderr, "fetched")
            before = self._clone.head
            head = self._clone.advance(git)
            self._clone.tidy(git, is_idle=head == before)
            return head

    def head(self) -> str:
        if not self._clone.head:
            self._clone.open()
        if not self._clone.head:
            raise Unavailable("NotFetched", f"{self._clone.where} was not fetched yet")
        return self._clone.head

    def tree(self, revision: str) -> Tree:
        _check_revision(revision)
        try:
            return self._clone.objects().tree(revision)
        except MissingObject:
            if self._has(self.head()) and not self._has(revision):
                raise Rejected("UnknownRevision", f"commit {revision} is not in the config repo's history") from None
            return self._repaired(lambda objects: objects.tree(revision))

    def read(self, blob: str) -> bytes:
        _check_revision(blob)
        largest = self._clone.options.limits.largest_file
        if blob in self._too_large:
            raise too_large(blob, largest)
        try:
            return self._clone.objects().blob(blob)
        except MissingObject:
            return self._brought(blob)

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self._ancestry(older, newer)

    def _asked_ancestry(self, older: str, newer: str) -> bool:
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
        arguments = ["-c", "core.quotePath=false", "log", "--name-only", "--no-renames", f"--format={_LOG}"]
        arguments += [f"--max-count={int(limit)}", "--end-of-options", self.head(), "--"]
        finished = self._local([*arguments, path] if path else arguments)
        if finished.code:
            raise Unavailable("GitFailed", f"the history of {path!r} cannot be read: {shown(finished.stderr)}")
        fields = iter(finished.stdout.decode(errors="replace").split("\0")[1:])
        return [_past_commit(record) for record in zip(*[fields] * _FIELDS, strict=True)]

    def trailers(self, key: str, since: str = "") -> frozenset[str]:
        head = self.head()
        commits = f"{since}..{head}" if since and self._has(since) else head
        shape = f"--format=%(trailers:key={key},valueonly=true,unfold=true)"
        finished = self._local(["log", f"--grep=^{key}:", shape, "--end-of-options", commits])
        if finished.code:
            raise Unavailable("GitFailed", f"the history cannot be read: {shown(finished.stderr)}")
        return frozenset(filter(None, finished.stdout.decode(errors="replace").splitlines()))

    def first_commit(self, path: str) -> str | None:
        return first_commits(self._clone.git(), [path], self.head(), limit=LOCAL_LIMIT).get(path)

    def subjects(self, path: str, older: str, newer: str) -> list[str]:
        """First lines of the commits from `older` (left out) to `newer` that touched a path, newest first, at most 100;
        none when either is not known.
        """
        _check_revision(older)
        _check_revision(newer)
        arguments = ["log", "--format=%h %s", "--max-count=100", "--end-of-options", f"{older}..{newer}", "--", path]
        finished = self._local(arguments)
        lines = finished.stdout.decode(errors="replace").splitlines() if finished.code == 0 else []
        return [shown(line) for line in lines]

    def commit(self, parent: str, commits: Sequence[NewCommit]) -> str:
        with self._clone.lock:
            self._require_head(parent)
            return self.publish(parent, self.write(parent, commits))

    def write(self, parent: str, commits: Sequence[NewCommit]) -> str:
        _check_revision(parent)
        with self._clone.lock:
            self._clone.untidy += len(commits)
            revision = self._import(self._clone.open(), parent, commits)
            for content in (content for commit in commits for content in commit.files.values()):
                if content is not None and len(content) <= self._clone.options.limits.largest_file:
                    self._clone.objects().know(content)
            return revision

    def publish(self, parent: str, revision: str) -> str:
        with self._clone.lock:
            self._require_head(parent)
            return self._push(self._clone.open(), parent, revision)

    def keep(self, revisions: Collection[str]) -> None:
        for revision in revisions:
            _check_revision(revision)
        with self._clone.lock:
            git = self._clone.open()
            arguments = ["push", "--porcelain", "--no-verify", "--end-of-options", "origin"]
            wanted = [f"{revision}:{KEPT}{revision}" for revision in revisions]
            pushed = self._clone.remote.ask(git, [*arguments, *wanted], limit=self._clone.options.limits.push)
            answer = verdict(pushed)
            if answer.landed is PushOutcome.UNKNOWN:
                raise self._clone.remote.trouble(answer.text, "pushed to")
            if answer.landed is not PushOutcome.YES:
                raise Rejected("PushRefused", f"the remote refuses {KEPT}*: {answer.text}")
            known = "".join(f"update {KEPT}{revision} {revision}\n" for revision in revisions)
            git.run(["update-ref", "--stdin"], limit=LOCAL_LIMIT, stdin=known.encode())

    def kept(self) -> frozenset[str]:
        return kept(self._clone.git())

    def tags(self, prefixes: Sequence[str]) -> Sequence[SignedTag]:
        with self._clone.lock:
            git = self._clone.open()
            filtered = f"--filter=blob:limit={self._clone.options.limits.small_file + 1}"
            finished = self._clone.remote.ask(
                git, self._tags.fetching(prefixes, filtered), limit=self._clone.options.limits.fetch
            )
            if finished.code:
                raise self._clone.remote.trouble(finished.stderr, "fetched")
        return self._tags.read(git, prefixes)

    def close(self) -> None:
        """Ends the reading processes and gives the directory back."""
        self._clone.close()

    # -- the remote

    def _require_head(self, parent: str) -> None:
        _check_revision(parent)
        self._clone.open()
        if parent != self._clone.head:
            raise Conflict(
                "TrunkMoved", f"{self._clone.trunk} is at {self._clone.head[:12]}, no longer at {parent[:12]}"
            )

    def _import(self, git: Git, parent: str, commits: Sequence[NewCommit]) -> str:
        tree = self.tree(parent)

        def mode(path: str) -> str:
            known = tree.get(path)
            return "100755" if known is not None and known.mode == "100755" else "100644"

        stream = import_stream(parent, commits, author=self._clone.options.author, mode=mode)
        arguments = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"]
        finished = git.run(arguments, limit=LOCAL_LIMIT, stdin=stream)
        if finished.code and "File exists" in finished.stderr:
            self._clone.remove_leftovers()
            finished = git.run(arguments, limit=LOCAL_LIMIT, stdin=stream)
        if finished.code:
            self._clone.replace_if_damaged(finished.stderr)
            raise Unavailable("GitFailed", f"the commit cannot be written: {shown(finished.stderr)}")
        return finished.stdout.decode().strip()

    def _push(self, git: Git, parent: str, revision: str) -> str:
        lease = f"--force-with-lease=refs/heads/{self._clone.trunk}:{parent}"
        target = f"{revision}:refs/heads/{self._clone.trunk}"
        arguments = ["push", "--porcelain", "--no-verify", lease, "--end-of-options", "origin", target]
        try:
            finished = self._clone.remote.ask(git, arguments, limit=self._clone.options.limits.push)
        except Unavailable as error:
            return self._landed_after_all(git, revision, error)
        answer = verdict(finished)
        if answer.landed is PushOutcome.LOST_RACE:
            raise Conflict("TrunkMoved", f"{self._clone.trunk} moved on the remote: {answer.text}")
        if answer.landed is PushOutcome.REFUSED:
            raise Rejected("PushRefused", f"the remote refuses commits on {self._clone.trunk}: {answer.text}")
        if answer.landed is PushOutcome.UNKNOWN:
            if git_damage.is_ours(git, finished.stderr):
                self._clone.replace_if_damaged(finished.stderr)
            return self._landed_after_all(git, revision, self._clone.remote.trouble(answer.text, "pushed to"))
        with contextlib.suppress(Unavailable):  # the commit is on the remote: the next fetch moves the ref as well
            self._clone.move(git, revision)
        self._clone.head = revision
        return revision

    def _landed_after_all(self, git: Git, revision: str, error: GitopsError) -> str:
        """A push without an answer may have been taken: the remote's trunk tells. Raises `error` when it was not."""
        with contextlib.suppress(Unavailable):
            if self._clone.fetch(git).code == 0:
                self._clone.advance(git)
                if self.is_ancestor(revision, self._clone.head):
                    return revision
        raise error

    # -- reading

    def _repaired(self, again: Callable[[Objects], _T]) -> _T:
        """Reads once more, if need be from a new clone: whatever is missing here was lost here."""
        with self._clone.lock:
            for renew in (False, True):
                if renew:
                    self._clone.replace()
                try:
                    return again(self._clone.objects())
                except MissingObject as error:
                    missing = error
        raise Unavailable("ObjectMissing", f"object {missing} is missing in the clone and on the remote") from missing

    def _brought(self, blob: str) -> bytes:
        """Together with all that is missing in the tree that the file was found in."""
        with self._clone.lock:
            with contextlib.suppress(MissingObject):
                return self._clone.objects().blob(blob)  # somebody else has brought it
            home = self._clone.objects().home(blob)
            brought = self._clone.bring(home or blob)
            if brought is FetchResult.NOTHING:
                return self._repaired(lambda objects: objects.blob(blob))
            with contextlib.suppress(MissingObject):
                return self._clone.objects().blob(blob)
            raise self._left_out(blob, is_certain=home is not None and brought is FetchResult.ASKED)

    def _left_out(self, blob: str, *, is_certain: bool) -> GitopsError:
        """Why a file did not come although the host was asked. Too large, for ever, is only what the remote is known to
        have.
        """
        if not (is_certain or self._clone.lacks(blob)):
            return Unavailable("ObjectMissing", f"object {blob} is missing in the clone and on the remote")
        if len(self._too_large) >= _MOST_TOO_LARGE:
            self._too_large.clear()
        self._too_large.add(blob)
        return too_large(blob, self._clone.options.limits.largest_file)

    def _has(self, revision: str) -> bool:
        return self._local(["rev-list", "--max-count=1", "--end-of-options", revision]).code == 0

    def _local(self, arguments: Sequence[str]) -> GitResult:
        return self._clone.git().run(arguments, limit=LOCAL_LIMIT)


def _check_revision(revision: str) -> None:
    if _REVISION.fullmatch(revision) is None:
        raise Rejected("BadRevision", f"{shown(revision)!r} is not a full commit id")


def _past_commit(record: tuple[str, ...]) -> PastCommit:
    revision, seconds, author, subject, trailers, paths = record
    pairs = (line.partition(": ") for line in trailers.split("\n"))
    return PastCommit(
        id=revision,
        committed_at=git_dates.nearest(seconds),
        author=shown(author),
        subject=shown(subject),
        trailers={key: value for key, separator, value in pairs if separator},
        paths=tuple(filter(None, paths.split("\n"))),
    )
