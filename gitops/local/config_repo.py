"""The local config repo: a bare git repository made from this project's base/ and environments/.

It has two commits, as `lockstep init` makes them in a real repo: the tree, then a release.yaml for each environment
with `after`, which locks the environment to that tree.
"""

import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import git
import yaml

from gitops.core.errors import Rejected

TRUNK = "main"
_AUTHOR = git.Actor("Lockstep example", "example@lockstep.invalid")


def create(source: Path, target: Path) -> None:
    """Makes the bare repository `target` from `source`/base and `source`/environments, unless it exists.

    The repository appears by one rename, so a killed run leaves no incomplete one.

    Raises: Rejected(NoExample) when `source` has no such directories.
    """
    if target.exists():
        return
    missing = [name for name in ("base", "environments") if not (source / name).is_dir()]
    if missing:
        wanted = " and no ".join(missing)
        raise Rejected("NoExample", f"{source} has no {wanted}: run this in a checkout of the project")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".config-repo-") as scratch:
        tree = Path(scratch) / "tree"
        repo = git.Repo.init(tree, initial_branch=TRUNK)
        for name in ("base", "environments"):
            shutil.copytree(source / name, tree / name)
        first = _commit(repo, "The print company's configuration: base, platform, dev, test, prod")
        _lock(tree, first)
        _commit(repo, "test, prod: locked to the first tree")
        bare = repo.clone(str(Path(scratch) / "bare.git"), bare=True)
        bare.delete_remote(bare.remote("origin"))
        repo.close()
        bare.close()
        (Path(scratch) / "bare.git").rename(target)


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of the trunk, with the trailers of its message."""

    id: str
    subject: str
    trailers: Mapping[str, str]


def head(repository: Path) -> str:
    with git.Repo(repository) as repo:
        return repo.commit(TRUNK).hexsha


def read(repository: Path, path: str) -> bytes:
    """Reads a file at the trunk's head.

    Raises: Rejected(NotFound).
    """
    with git.Repo(repository) as repo:
        try:
            content: bytes = (repo.commit(TRUNK).tree / path).data_stream.read()
        except KeyError:
            raise Rejected("NotFound", f"{repository} has no {path} on {TRUNK}") from None
    return content


def paths(repository: Path) -> Sequence[str]:
    """The paths of all files at the trunk's head."""
    with git.Repo(repository) as repo:
        listed: str = repo.git.ls_tree("-r", "--name-only", "-z", TRUNK)
    return listed.rstrip("\0").split("\0")


def commits(repository: Path, after: str) -> Sequence[Commit]:
    """The commits of the trunk since the commit `after`, oldest first."""
    with git.Repo(repository) as repo:
        found = repo.iter_commits(f"{after}..{TRUNK}", reverse=True)
        return [Commit(each.hexsha, str(each.summary), dict(each.trailers_list)) for each in found]


def _commit(repo: git.Repo, message: str) -> str:
    """Commits everything, without the hooks and ignored files of the user's own git configuration."""
    repo.git.add("--all", "--force")
    return repo.index.commit(message, author=_AUTHOR, committer=_AUTHOR, skip_hooks=True).hexsha


def _lock(tree: Path, revision: str) -> None:
    """Writes release.yaml for each environment with `after`; it is waived, because nothing was promoted there yet."""
    pipeline = yaml.safe_load((tree / "environments" / "pipeline.yaml").read_text())
    for name, environment in pipeline["environments"].items():
        if environment.get("after"):
            release = f"base: {revision}\noverlay: {revision}\nwaived: adoption\n"
            (tree / "environments" / name / "release.yaml").write_text(release)


_HOOK = """#!/bin/sh
# Sends a push webhook to the controller, as a git host does. The controller knows its own pushes already.
lines=$(cat)
case "$lines$(git log -1 --format='%(trailers:key=Lockstep-Cause,valueonly)' {trunk} --)" in
*" refs/heads/{trunk}" | *" refs/tags/"*) printf '%s\\n' "$lines" | {announce} ;;
esac
"""


def announce_pushes(repository: Path, url: str, secret: Path) -> None:
    """Installs a post-receive hook that sends the controller a webhook for every push, as a git host does."""
    hook = repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    announce = shlex.join([sys.executable, "-P", "-m", "gitops.local.announce", url, str(secret)])
    hook.write_text(_HOOK.format(trunk=TRUNK, announce=announce))
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
