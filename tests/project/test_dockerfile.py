"""The Dockerfile without a container engine: the tests read it and run the steps that can go wrong."""

import fnmatch
import os
import re
import shlex
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops.local.cluster import binaries
from tests import ROOT

UID = 65532
STATE = "/var/lib/lockstep"


@dataclass(frozen=True, slots=True)
class Instruction:
    """Instruction of the Dockerfile. `stage` is the name of its stage, empty for the last stage."""

    stage: str
    word: str
    text: str


@pytest.fixture(scope="module")
def instructions() -> tuple[Instruction, ...]:
    return tuple(_parse_instructions((ROOT / "Dockerfile").read_text()))


@pytest.fixture(scope="module")
def workspace() -> Iterator[Path]:
    """Directory that every user can read, unlike pytest's own directories."""
    with tempfile.TemporaryDirectory(prefix="lockstep-image-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def wheel(workspace: Path) -> Path:
    """Build the wheel as the stage `environment` does, from the files that the Dockerfile copies and no others."""
    source = workspace / "src"
    source.mkdir()
    for path in ("pyproject.toml", "README.md", "LICENSE"):
        (source / path).write_bytes((ROOT / path).read_bytes())
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "gitops", "webhooks"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for path in filter(lambda name: (ROOT / name).exists(), listed.stdout.splitlines()):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes((ROOT / path).read_bytes())
    _run([sys.executable, "-m", "venv", str(workspace / "build")])
    pip = str(workspace / "build/bin/pip")
    _run([pip, "install", "--quiet", "--require-hashes", "-r", str(ROOT / "requirements-build.txt")])
    _run(
        [
            pip,
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(workspace / "out"),
            str(source),
        ]
    )
    [made] = (workspace / "out").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def lockstep(workspace: Path, wheel: Path) -> Path:
    """Install the environment of the image. Returns its `lockstep` command."""
    _run([sys.executable, "-m", "venv", str(workspace / "lockstep")])
    pip = str(workspace / "lockstep/bin/pip")
    _run([pip, "install", "--quiet", "--require-hashes", "-r", str(ROOT / "requirements.txt")])
    _run([pip, "install", "--quiet", "--no-deps", str(wheel)])
    return workspace / "lockstep/bin/lockstep"


def test_wheel_contains_every_file_of_the_status_page(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    page = ROOT / "gitops/status_page"
    wanted = {str(file.relative_to(ROOT)) for kind in ("templates", "static") for file in _list_files(page / kind)}
    assert wanted
    assert wanted <= held


def test_wheel_contains_the_code_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"gitops", "webhooks"}
    assert {
        str(file.relative_to(ROOT)) for top in ("gitops", "webhooks") for file in (ROOT / top).rglob("*.py")
    } <= names


@pytest.mark.parametrize("argument", [["--help"], ["run", "--help"], ["diff", "--help"]])
def test_command_runs_as_any_user_without_a_writable_directory(
    lockstep: Path, workspace: Path, argument: list[str]
) -> None:
    """There is no home, no environment and no writable directory. Tests that run as root switch to another user."""
    done = _run_as_nobody([str(lockstep), *argument], workspace)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "Usage" in done.stdout


def test_command_without_a_configuration_names_the_missing_file(lockstep: Path, workspace: Path) -> None:
    done = _run_as_nobody([str(lockstep), "run", "--config", "/etc/lockstep/lockstep.yaml"], workspace)
    assert done.returncode == 2
    assert done.stderr.startswith("lockstep: InvalidConfiguration: /etc/lockstep/lockstep.yaml:")


def test_environment_has_every_import_from_the_lock_file_alone(lockstep: Path, workspace: Path) -> None:
    modules = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for top in ("gitops", "webhooks")
        for file in (ROOT / top).rglob("*.py")
        if file.name not in {"__init__.py", "__main__.py"}
    ]
    program = f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"
    done = _run_as_nobody([str(lockstep.with_name("python")), "-c", program], workspace)
    assert (done.stderr, done.returncode) == ("", 0)


def test_user_is_a_number_and_not_root(instructions: tuple[Instruction, ...]) -> None:
    """Kubernetes can check runAsNonRoot only if the user is a number."""
    assert [found.text for found in _filter_last_stage(instructions, "USER")] == [f"{UID}:{UID}"]
    deployed = (ROOT / "deploy/deployment.yaml").read_text()
    assert f"runAsUser: {UID}" in deployed
    assert f"mountPath: {STATE}" in deployed
    assert [found.text for found in _filter_last_stage(instructions, "WORKDIR")] == [STATE]


def test_entrypoint_needs_no_shell(instructions: tuple[Instruction, ...]) -> None:
    for word in ("ENTRYPOINT", "CMD"):
        [found] = _filter_last_stage(instructions, word)
        assert found.text.startswith("["), f"{word} in its shell form"


def test_copied_paths_exist_and_are_not_ignored(instructions: tuple[Instruction, ...]) -> None:
    copied = [
        path
        for found in instructions
        if found.word == "COPY" and not found.text.startswith("--from")
        for path in shlex.split(found.text)[:-1]
    ]
    assert "requirements.txt" in copied
    let_in = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    for path in copied:
        assert (ROOT / path).exists(), path
        assert path in let_in, f".dockerignore keeps {path} out"
    assert not [path for path in let_in if fnmatch.fnmatch(path, "*secret*") or path.startswith(".")]


def test_stages_copy_from_stages_of_the_dockerfile(instructions: tuple[Instruction, ...]) -> None:
    stages = {found.stage for found in instructions}
    sources = [re.match(r"--from=(\S+)", found.text) for found in instructions if found.word == "COPY"]
    assert {match[1] for match in sources if match} == stages - {""}
    assert {found.word for found in instructions} <= {
        *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "USER", "WORKDIR")
    }, "an instruction that this test does not know: ADD and HEALTHCHECK are not allowed"


def test_base_images_have_a_version_tag(instructions: tuple[Instruction, ...]) -> None:
    for found in instructions:
        if found.word == "FROM":
            image, _, tag = found.text.split()[0].partition(":")
            assert re.match(r"\d+\.\d+", tag), f"{image} floats"


def test_kustomize_is_built_from_the_pinned_module(instructions: tuple[Instruction, ...]) -> None:
    """The local control plane uses the same module and package, so the same version renders everywhere."""
    [build] = [found.text for found in instructions if found.stage == "kustomize" and found.word == "RUN"]
    assert build.split()[-1] == binaries.PROGRAMS["kustomize"].package
    assert {"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "-trimpath", "-buildvcs=false"} <= set(build.split())
    needed = re.search(r"^go (\d+\.\d+)", (ROOT / "localcluster/go.mod").read_text(), re.MULTILINE)
    [base] = [found.text for found in instructions if found.stage == "kustomize" and found.word == "FROM"]
    assert needed is not None
    assert f"golang:{needed[1]}-" in base


def test_python_version_is_supported(instructions: tuple[Instruction, ...]) -> None:
    tags = {found.text.split()[0] for found in instructions if found.word == "FROM" and "python" in found.text}
    assert len(tags) == 1, "a virtual environment works only with the Python that made it"
    version = re.search(r"python:3\.(\d+)-slim", tags.pop())
    assert version is not None
    assert int(version[1]) >= 11


def _parse_instructions(text: str) -> Iterator[Instruction]:
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    stage = ""
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.partition(" AS ")[2].strip()
        yield Instruction(stage, word, " ".join(rest.split()))


def _filter_last_stage(instructions: tuple[Instruction, ...], word: str) -> list[Instruction]:
    return [found for found in instructions if found.stage == "" and found.word == word]


def _list_files(directory: Path) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file()]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"


def _is_for_everybody() -> bool:
    """Tell if every user can run the Python interpreter. An interpreter in a home directory (pyenv) is private."""
    interpreter = Path(sys.executable).resolve()
    return all(directory.stat().st_mode & 0o001 for directory in interpreter.parents)


def _run_as_nobody(command: list[str], workspace: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command as another user, with the environment of the image, in a read-only directory."""
    where = workspace / "read-only"
    where.mkdir(mode=0o555, exist_ok=True)
    identity = {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 and _is_for_everybody() else {}
    environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb"}
    return subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, check=False, timeout=60, **identity
    )  # type: ignore[call-overload, no-any-return]
