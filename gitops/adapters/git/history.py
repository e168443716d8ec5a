"""Queries on the history of a repository: commits of a path, trailers, and the commit that added a file.

The controller asks its clone, `lockstep check` the repository on the disk (first_commits).
"""

import posixpath
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from gitops.adapters.git import dates
from gitops.adapters.git.process import LOCAL_LIMIT, Git, GitResult, sanitize
from gitops.adapters.git.refs import check_revision
from gitops.core.config_repo.commits import PastCommit
from gitops.core.errors import Rejected, Unavailable

if TYPE_CHECKING:  # a command on a work tree starts without the clone and the remote
    from gitops.adapters.git.clone import Clone

# NUL is the one character that no message can hold. The paths come behind the format.
_LOG = "%x00%H%x00%ct%x00%an <%ae>%x00%s%x00%(trailers:only=true,unfold=true)%x00"
_FIELDS = 6
_MOST_ANSWERS = 50_000


class CloneHistory:
    """The history of the trunk in a clone. Thread-safe. The methods are those of ports.ConfigRepo."""

    def __init__(self, clone: "Clone") -> None:
        self._clone = clone
        # A commit id names the whole past, so an answer stays true after the trunk was rewritten. Errors are not kept.
        self._ancestry = lru_cache(_MOST_ANSWERS)(self._ask_ancestry)

    def has(self, revision: str) -> bool:
        """True if the clone has the commit."""
        return self._run(["rev-list", "--max-count=1", "--end-of-options", revision]).code == 0

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self._ancestry(older, newer)

    def commits(self, path: str, limit: int) -> Sequence[PastCommit]:
        arguments = ["-c", "core.quotePath=false", "log", "--name-only", "--no-renames", f"--format={_LOG}"]
        arguments += [f"--max-count={int(limit)}", "--end-of-options", self._clone.require_head(), "--"]
        finished = self._run([*arguments, path] if path else arguments)
        if finished.code:
            raise Unavailable("GitFailed", f"the history of {path!r} cannot be read: {sanitize(finished.stderr)}")
        fields = iter(finished.stdout.decode(errors="replace").split("\0")[1:])
        return [_past_commit(record) for record in zip(*[fields] * _FIELDS, strict=True)]

    def trailers(self, key: str, since: str = "") -> frozenset[str]:
        head = self._clone.require_head()
        commits = f"{since}..{head}" if since and self.has(since) else head
        shape = f"--format=%(trailers:key={key},valueonly=true,unfold=true)"
        finished = self._run(["log", f"--grep=^{key}:", shape, "--end-of-options", commits])
        if finished.code:
            raise Unavailable("GitFailed", f"the history cannot be read: {sanitize(finished.stderr)}")
        return frozenset(filter(None, finished.stdout.decode(errors="replace").splitlines()))

    def first_commit(self, path: str) -> str | None:
        return first_commits(self._clone.git(), [path], self._clone.require_head(), limit=LOCAL_LIMIT).get(path)

    def subjects(self, path: str, older: str, newer: str) -> list[str]:
        """The abbreviated ids and subjects of the commits after `older` up to `newer` that touched a path, newest
        first, at most 100; none if one of the two commits is unknown.
        """
        check_revision(older)
        check_revision(newer)
        arguments = ["log", "--format=%h %s", "--max-count=100", "--end-of-options", f"{older}..{newer}", "--", path]
        finished = self._run(arguments)
        lines = finished.stdout.decode(errors="replace").splitlines() if finished.code == 0 else []
        return [sanitize(line) for line in lines]

    def _ask_ancestry(self, older: str, newer: str) -> bool:
        check_revision(older)
        check_revision(newer)
        finished = self._run(["merge-base", "--is-ancestor", "--end-of-options", older, newer])
        if finished.code not in {0, 1}:
            unknown = [revision for revision in (older, newer) if not self.has(revision)]
            if unknown:
                raise Rejected("UnknownRevision", f"commit {unknown[0]} is not in the config repo's history")
            raise Unavailable("GitFailed", sanitize(finished.stderr))
        return finished.code == 0

    def _run(self, arguments: Sequence[str]) -> GitResult:
        return self._clone.git().run(arguments, limit=LOCAL_LIMIT)


def _past_commit(record: tuple[str, ...]) -> PastCommit:
    revision, seconds, author, subject, trailers, paths = record
    pairs = (line.partition(": ") for line in trailers.split("\n"))
    return PastCommit(
        id=revision,
        committed_at=dates.clamp(seconds),
        author=sanitize(author),
        subject=sanitize(subject),
        trailers={key: value for key, separator, value in pairs if separator},
        paths=tuple(filter(None, paths.split("\n"))),
    )


def first_commits(git: Git, paths: Sequence[str], head: str, *, limit: float) -> Mapping[str, str | None]:
    """Path -> the commit in the history of `head` that added the file, and from which all later additions descend.

    The value is None if there is no such commit: branches added the file independently, or the history is shallow. A
    path that no commit added is left out. A person who merges an old branch must not be able to choose the answer, so
    the search simplifies nothing of the history.

    Raises: Unavailable(GitFailed).
    """
    if not paths:
        return {}
    is_shallow = _output(git, ["rev-parse", "--is-shallow-repository"], limit) != "false"
    # -c: a merge adds files that none of its parents has. Without --full-history git follows one side of a merge only.
    listing = ["--literal-pathspecs", "-c", "core.quotePath=false", "log", "-c", "--full-history", "--topo-order"]
    listing += ["--no-renames", "--diff-filter=A", "--format=%x01%H", "--name-only", "--end-of-options", head, "--"]
    listing += filter(None, [posixpath.commonpath(paths)])  # git would match hundreds of paths one by one
    found: dict[str, list[str]] = {}
    for record in _output(git, listing, limit).split("\1")[1:]:
        commit, *added = record.split("\n")
        for path in set(paths).intersection(added):
            found.setdefault(path, []).append(commit)
    return {path: None if is_shallow else _common_first(git, commits, limit) for path, commits in found.items()}


def _common_first(git: Git, commits: Sequence[str], limit: float) -> str | None:
    """The last of `commits` (children before parents) if all others descend from it."""
    first = commits[-1]
    if len(commits) == 1:
        return first
    finished = git.run(["merge-base", "--octopus", "--end-of-options", *commits], limit=limit)
    if finished.code not in {0, 1}:  # 1: they have no common ancestor
        raise Unavailable("GitFailed", f"the history cannot be read: {sanitize(finished.stderr)}")
    return first if finished.stdout.decode().split() == [first] else None


def _output(git: Git, arguments: Sequence[str], limit: float) -> str:
    finished = git.run(arguments, limit=limit)
    if finished.code:
        raise Unavailable("GitFailed", f"the history cannot be read: {sanitize(finished.stderr)}")
    return finished.stdout.decode(errors="surrogateescape").strip()
