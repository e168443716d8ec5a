"""Finding and building programs, with a small module like localcluster/ whose kustomize is one line of Go."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from gitops.core.errors import Rejected
from gitops.local.cluster import binaries
from gitops.local.cluster.binaries import Places

GO_MOD = """module example.test/pins

go 1.24

require sigs.k8s.io/kustomize/kustomize/v5 v5.8.1

require k8s.io/kubernetes v1.36.3 // indirect

replace sigs.k8s.io/kustomize/kustomize/v5 => ./kustomize

replace k8s.io/kubernetes => ./kubernetes
"""
SOURCE = 'package main\n\nfunc main() { println("built from source") }\n'
ASK = """
import os, sys
from pathlib import Path
from gitops.local.cluster import binaries
print(binaries.ensure("kustomize", places=binaries.Places(os.environ, Path(sys.argv[1]))))
"""
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="builds with the machine's own Go")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    module = tmp_path / "module"
    for name, path in {"kustomize": "sigs.k8s.io/kustomize/kustomize/v5", "kubernetes": "k8s.io/kubernetes"}.items():
        (module / name).mkdir(parents=True)
        (module / name / "go.mod").write_text(f"module {path}\n\ngo 1.24\n")
        (module / name / "main.go").write_text(SOURCE)
    (module / "go.mod").write_text(GO_MOD)
    (module / "go.sum").write_text("")
    return module


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment with Go and basic commands but none of the programs, and an empty cache (Go has its own)."""
    commands = tmp_path / "commands"
    commands.mkdir()
    if go := shutil.which("go"):
        (commands / "go").symlink_to(go)
    kept = {name: os.environ[name] for name in ("HOME", "GOPATH", "GOCACHE") if name in os.environ}  # noqa: TID251
    return {**kept, "PATH": f"{commands}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def _program(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def _ask(module: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ASK, module],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_cached_program_of_these_pins_is_used(module: Path, environment: dict[str, str]) -> None:
    places = Places(environment, module)
    kept = _program(places.kept / "kustomize", "v5.8.1")
    assert binaries.ensure("kustomize", places=places) == kept
    (module / "go.sum").write_text("another pin\n")
    assert binaries.find("kustomize", places) is None


def test_programs_are_taken_from_assets_then_path_then_cache(
    tmp_path: Path, module: Path, environment: dict[str, str]
) -> None:
    environment |= {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "PATH": str(tmp_path / "path")}
    places = Places(environment, module)
    found = [
        _program(directory / "kustomize", "v5.8.1")
        for directory in (places.kept, tmp_path / "path", tmp_path / "assets")
    ]
    while found:
        assert binaries.find("kustomize", places) == found[-1]
        found.pop().unlink()
    assert binaries.find("kustomize", places) is None


@pytest.mark.parametrize(
    ("name", "said", "taken"),
    [
        ("kustomize", "v5.8.1", True),
        ("kustomize", "v5.8.0", False),
        ("kube-apiserver", "Kubernetes v1.36.9", True),
        ("kube-apiserver", "Kubernetes v1.35.3", False),
        ("kube-apiserver", "usage: kube-apiserver", False),
    ],
)
def test_program_of_another_version_is_not_used(
    tmp_path: Path, module: Path, name: str, said: str, *, taken: bool
) -> None:
    found = _program(tmp_path / "path" / name, said)
    places = Places({"PATH": str(found.parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}, module)
    assert binaries.find(name, places) == (found if taken else None)


@needs_go
def test_build_happens_once_for_two_callers_at_once(module: Path, environment: dict[str, str]) -> None:
    askers = [_ask(module, environment) for _ in range(2)]
    answers = [asker.communicate(timeout=120) for asker in askers]
    target = Places(environment, module).kept / "kustomize"
    assert [path.strip() for path, _ in answers] == [str(target)] * 2
    assert sum("building kustomize v5.8.1" in told for _, told in answers) == 1
    assert subprocess.run([target], capture_output=True, text=True, check=True).stderr == "built from source\n"


@needs_go
def test_build_that_is_killed_leaves_nothing_incomplete(
    tmp_path: Path, module: Path, environment: dict[str, str]
) -> None:
    """The caller is killed while its compiler is held at the start; the next caller builds normally."""
    started, go = tmp_path / "started", tmp_path / "commands" / "go"
    os.mkfifo(started)
    real = go.readlink()
    go.unlink()
    go.write_text(f'#!/bin/sh\n[ "$1" = build ] && echo $$ > {started} && exec sleep 1000\nexec {real} "$@"\n')
    go.chmod(0o755)
    places = Places(environment, module)
    with _ask(module, environment) as asker:
        compiler = os.pidfd_open(int(started.read_text()))
        asker.send_signal(signal.SIGKILL)
    assert select.select([compiler], [], [], 10)[0], "the compiler outlived its asker"
    os.close(compiler)
    assert binaries.find("kustomize", places) is None
    go.unlink()
    go.symlink_to(real)
    assert binaries.ensure("kustomize", places=places, console=Console(quiet=True)) == places.kept / "kustomize"
    assert sorted(each.name for each in places.kept.iterdir()) == [".kustomize.lock", "kustomize"]


@needs_go
def test_build_that_fails_shows_the_compiler_s_messages(module: Path, environment: dict[str, str]) -> None:
    (module / "kustomize" / "main.go").write_text("package main\n\nfunc main() { undefinedCall() }\n")
    with pytest.raises(Rejected, match=r"(?s)kustomize could not be built.*undefined: undefinedCall"):
        binaries.ensure("kustomize", places=Places(environment, module), console=Console(quiet=True))


def test_programs_without_pins_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="source checkout"):
        binaries.ensure("kustomize", places=Places({}, tmp_path))


def test_program_of_another_module_has_its_own_cache(module: Path, environment: dict[str, str]) -> None:
    """A change of one module's pins does not rebuild the programs of the other."""
    (module / "registry").mkdir()
    (module / "registry" / "go.mod").write_text("module example.test/registry\n\ngo 1.24\n")
    (module / "registry" / "go.sum").write_text("one pin\n")
    places = Places(environment, module)
    own = places.for_program(binaries.PROGRAMS["registry"])
    kept = [_program(places.kept / "kustomize", "v5.8.1"), _program(own.kept / "registry", "v3.1.2")]
    found = [binaries.find(name, places) for name in ("kustomize", "registry")]
    assert found == kept
    (module / "registry" / "go.sum").write_text("another pin\n")
    assert [binaries.find(name, places) for name in ("kustomize", "registry")] == [kept[0], None]
    assert "registry" not in binaries.CONTROL_PLANE


def test_programs_are_all_pinned_in_the_repository() -> None:
    versions = {
        name: binaries.version(program, binaries.LOCALCLUSTER / program.directory)
        for name, program in binaries.PROGRAMS.items()
    }
    assert versions["kustomize"] == "v5.8.1"
    assert len({versions[name] for name in versions if name.startswith("kube-")}) == 1
