"""The workspace of the offline commands: a config repo on this machine, kustomize, and a cache of earlier results.

They need no cluster and no configuration, so that they run in a git hook and in CI. Renders and surveys are cached in
the user's cache directory.
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
Revision = Annotated[str, typer.Option(help="Check this commit instead of the files in the work tree")]
As = Annotated[Format, typer.Option("--format", help="Text for people, or JSON for programs")]


@dataclass(frozen=True, slots=True)
class Workspace:
    """`memo` caches surveys."""

    repo: WorkTree
    renderer: Kustomize
    memo: RenderCache


@contextmanager
def workspace(path: Path) -> Iterator[Workspace]:
    environment = os.environ  # noqa: TID251 - read once, here: git tells its hooks where the pushed objects are
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
    """The cache directory of this user; a temporary one where there is none to write to."""
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
        raise Rejected("NoKustomize", f"kustomize is not {where}: install it, or set LOCKSTEP_KUSTOMIZE to its path")
    return Path(found)
