"""The local config repo: a bare git repository made from this project's base/ and environments/.

Two commits, as adopting Lockstep on a real repo makes them: the tree, then a release.yaml for every environment that
comes after another one, which locks it to that tree.
"""

import shutil
import stat
import sys
import tempfile
from pathlib import Path

import git
import yaml

from gitops.core.errors import Rejected

TRUNK = "main"
_AUTHOR = git.Actor("Lockstep example", "example@lockstep.invalid")


def create(source: Path, target: Path) -> None:
    """Makes the bare repository `target` from `source`/base and `source`/environments, unless it exists.

    It appears by one rename: a killed run leaves none that is half made.

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
        _commit(repo, "test, prod: locked to the tree they were adopted with")
        bare = repo.clone(str(Path(scratch) / "bare.git"), bare=True)
        bare.delete_remote(bare.remote("origin"))
        repo.close()
        bare.close()
        (Path(scratch) / "bare.git").rename(target)


def _commit(repo: git.Repo, message: str) -> str:
    repo.git.add("--all")
    return repo.index.commit(message, author=_AUTHOR, committer=_AUTHOR).hexsha


def _lock(tree: Path, revision: str) -> None:
    """Writes the release.yaml of each environment with `after`, waived because nothing was promoted to it yet."""
    pipeline = yaml.safe_load((tree / "environments" / "pipeline.yaml").read_text())
    for name, environment in pipeline["environments"].items():
        if environment.get("after"):
            release = f"base: {revision}\noverlay: {revision}\nwaived: adoption\n"
            (tree / "environments" / name / "release.yaml").write_text(release)


def announce_pushes(repository: Path, url: str, secret: Path) -> None:
    """Installs a post-receive hook that tells the controller of every push, as a git host would by its webhook."""
    hook = repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitops.local.announce "{url}" "{secret}"\n')
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
