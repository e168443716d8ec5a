"""Where the offline commands work: a config repo as it lies there, kustomize, and what was worked out before.

They need no cluster and no configuration, so that they run in a hook and in CI. What was rendered and compared before
is kept in the user's cache directory.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from gitops.adapters.git.work_tree import WorkTree
from gitops.adapters.kustomize.builder import Kustomize
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.core.errors import Rejected

Format = Literal["text", "json"]

Where = Annotated[Path, typer.Argument(help="The config repo: a work tree, or a bare repository")]
Revision = Annotated[str, typer.Option(help="A commit to judge instead of the files that lie there")]
As = Annotated[Format, typer.Option("--format", help="For people, or for programs")]


@dataclass(frozen=True, slots=True)
class Workspace:
    repo: WorkTree
    renderer: Kustomize
    memo: RenderCache


@contextmanager
def workplace(path: Path) -> Iterator[Workspace]:
    environment = os.environ  # noqa: TID251 - read once, here: hooks are told in it where pushed objects wait
    repo = WorkTree(path, environment)
    with _cache(environment.get("XDG_CACHE_HOME"), environment.get("HOME")) as cache:
        try:
            yield Workspace(
                repo, Kustomize(_binary(environment.get("LOCKSTEP_KUSTOMIZE")), cache), RenderCache(cache / "surveys")
            )
        finally:
            repo.close()


@contextmanager
def _cache(configured: str | None, home: str | None) -> Iterator[Path]:
    """A directory that lasts, if this user has one to write to."""
    parent = Path(configured) if configured else Path(home) / ".cache" if home else None
    directory = parent / "lockstep" / "check" if parent and parent.is_absolute() else None
    try:
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        directory = None
    if directory is not None and os.access(directory, os.W_OK):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-") as scratch:
        yield Path(scratch)


def _binary(configured: str | None) -> Path:
    found = configured or shutil.which("kustomize")
    if found is None or not Path(found).is_file():
        where = f"at {found}" if found else "on the PATH"
        raise Rejected(
            "NoKustomize", f"there is no kustomize {where}; install it, or set LOCKSTEP_KUSTOMIZE to its path"
        )
    return Path(found)
