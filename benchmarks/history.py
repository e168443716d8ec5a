"""The first fetch of a config repo whose history is large, until every file of its head was read, compared with a full
clone.

Needs no cluster. 200 old versions of a file of a million bytes, of which the head has none.
"""

import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure
from gitops.adapters.git.config_repo import GitConfigRepo

_VERSIONS, _SIZE = 200, 1_000_000
_TIME, _DISK = 2.0, 10.0
_MEGA = 1e6


def history(scratch: Path, overlays: int) -> Sequence[Figure]:
    remote = scratch / "large.git"
    _write(remote, overlays)
    plain = scratch / "plain.git"
    began = time.monotonic()
    _git(scratch, "clone", "--quiet", "--bare", "--no-local", str(remote), str(plain))
    floor = time.monotonic() - began
    repo = GitConfigRepo(f"file://{remote}", "main", scratch / "clone")
    began = time.monotonic()
    tree = repo.tree(repo.fetch())
    for found in tree.values():
        repo.read(found.id)
    took = time.monotonic() - began
    repo.close()
    what = f"history of {_VERSIONS * _SIZE / _MEGA:.0f} MB, {overlays} overlays"
    return [
        Figure(
            "history", f"{what}: first fetch, head read", took, "s", _TIME, floor, "floor: a full clone, nothing read"
        ),
        Figure("history", f"{what}: disk", _megabytes(scratch / "clone"), "MB", _DISK, _megabytes(plain)),
    ]


def _write(remote: Path, overlays: int) -> None:
    _git(remote.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    _git(remote, "config", "uploadpack.allowFilter", "true")
    process = subprocess.Popen(["git", "-C", str(remote), "fast-import", "--quiet"], stdin=subprocess.PIPE)
    if process.stdin is None:
        raise AssertionError("it was asked for")
    with process, process.stdin as stream:
        stream.writelines(_commits(overlays))


def _commits(overlays: int) -> Iterator[bytes]:
    noise = random.Random(1)
    yield _commit({f"environments/dev/s{number}/kustomization.yaml": b"a: 1\n" * 50 for number in range(overlays)})
    for _ in range(_VERSIONS):
        yield _commit({"base/dump.bin": noise.randbytes(_SIZE)})
    yield _commit({"base/dump.bin": b"moved elsewhere\n"})


def _commit(files: dict[str, bytes]) -> bytes:
    head = b"commit refs/heads/main\ncommitter A Person <person@example.org> 1700000000 +0000\ndata 1\nx\n"
    return head + b"".join(
        b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content) for path, content in files.items()
    )


def _megabytes(directory: Path) -> float:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / _MEGA


def _git(directory: Path, *arguments: str) -> None:
    environment = {"PATH": os.defpath, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "-C", str(directory), *arguments], check=True, env=environment)
