"""Which commit brought a file first: asked by the controller of its clone, and by `lockstep check` of the repository
where it lies. Who merges an old branch must not be able to choose the answer, so nothing of the history is left out.
"""

import posixpath
from collections.abc import Mapping, Sequence

from gitops.adapters.git.process import Git, shown
from gitops.core.errors import Unavailable


def first_commits(git: Git, paths: Sequence[str], head: str, *, limit: float) -> Mapping[str, str | None]:
    """Path -> the commit of the history of `head` that brought it, and after which all others came that brought it
    again. None: there is no such commit, since branches brought it independently, or the history is cut off. A path
    that no commit brought is left out.

    Raises: Unavailable when git fails.
    """
    if not paths:
        return {}
    is_shallow = _said(git, ["rev-parse", "--is-shallow-repository"], limit) != "false"
    # -c: a merge brings what none of its parents has. Without --full-history git follows one side of a merge only.
    listing = ["--literal-pathspecs", "-c", "core.quotePath=false", "log", "-c", "--full-history", "--topo-order"]
    listing += ["--no-renames", "--diff-filter=A", "--format=%x01%H", "--name-only", "--end-of-options", head, "--"]
    listing += filter(None, [posixpath.commonpath(paths)])  # hundreds of paths would be matched one by one
    found: dict[str, list[str]] = {}
    for record in _said(git, listing, limit).split("\1")[1:]:
        commit, *brought = record.split("\n")
        for path in set(paths).intersection(brought):
            found.setdefault(path, []).append(commit)
    return {path: None if is_shallow else _first(git, commits, limit) for path, commits in found.items()}


def _first(git: Git, commits: Sequence[str], limit: float) -> str | None:
    """`commits`: children before their parents."""
    first = commits[-1]
    if len(commits) == 1:
        return first
    finished = git.run(["merge-base", "--octopus", "--end-of-options", *commits], limit=limit)
    if finished.code not in {0, 1}:  # 1: they have nothing in common
        raise Unavailable("GitFailed", f"the history cannot be read: {shown(finished.stderr)}")
    return first if finished.stdout.decode().split() == [first] else None


def _said(git: Git, arguments: Sequence[str], limit: float) -> str:
    finished = git.run(arguments, limit=limit)
    if finished.code:
        raise Unavailable("GitFailed", f"the history cannot be read: {shown(finished.stderr)}")
    return finished.stdout.decode(errors="surrogateescape").strip()
