"""Finds or builds the programs of the local control plane, and the registry of the tests, at their pinned versions.

A program is taken from the first of these places:
1. `$KUBEBUILDER_ASSETS`, then `$PATH`, if it reports the pinned minor release. kustomize must report the pinned patch
   release, because its output is applied and must be the same on every machine.
2. The cache `${XDG_CACHE_HOME:-~/.cache}/lockstep/bin/<hash of go.mod and go.sum>`.
3. A build from its module in localcluster/ into that cache, with Go from the machine or from PyPI (toolchain.py).
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from rich.console import Console

from gitops.core.errors import Rejected, Unavailable
from gitops.local import terminal
from gitops.local.cluster import toolchain
from gitops.local.supervision import processes

LOCALCLUSTER = Path(__file__).resolve().parents[3] / "localcluster"
_BUILD_INFO = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Program:
    """`module` is the Go module whose version in go.mod is the program's. `exact` requires the patch release, too.
    `directory` is the place of go.mod in localcluster/; programs of different go.mod files are cached separately.
    """

    name: str
    package: str
    module: str
    version_argument: str = "--version"
    exact: bool = False
    directory: str = ""


_KUBERNETES = "k8s.io/kubernetes"
_DISTRIBUTION = "github.com/distribution/distribution/v3"
PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        Program(
            "kustomize",
            "sigs.k8s.io/kustomize/kustomize/v5",
            "sigs.k8s.io/kustomize/kustomize/v5",
            "version",
            exact=True,
        ),
        Program("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
        Program("kube-apiserver", f"{_KUBERNETES}/cmd/kube-apiserver", _KUBERNETES),
        Program("kube-controller-manager", f"{_KUBERNETES}/cmd/kube-controller-manager", _KUBERNETES),
        Program("kube-scheduler", f"{_KUBERNETES}/cmd/kube-scheduler", _KUBERNETES),
        Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
        Program("registry", f"{_DISTRIBUTION}/cmd/registry", _DISTRIBUTION, directory="registry"),
    )
}
CONTROL_PLANE = tuple(name for name, program in PROGRAMS.items() if not program.directory)


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of programs, from environment variables. `module` holds go.mod, `root` the toolchain's pin."""

    environment: Mapping[str, str]
    root: Path = LOCALCLUSTER
    directory: str = ""

    def for_program(self, program: Program) -> "Places":
        """The same places with the module that the program is built from."""
        return replace(self, directory=program.directory)

    @property
    def module(self) -> Path:
        return self.root / self.directory

    @property
    def searched(self) -> tuple[str, ...]:
        """The search paths, in order."""
        return tuple(filter(None, (self.environment.get("KUBEBUILDER_ASSETS"), self.environment.get("PATH"))))

    @property
    def cache(self) -> Path:
        root = self.environment.get("XDG_CACHE_HOME") or Path(self.environment.get("HOME") or Path.home()) / ".cache"
        return Path(root) / "lockstep"

    @property
    def kept(self) -> Path:
        """The cache directory for these pinned versions."""
        pins = (self.module / "go.mod").read_bytes() + (self.module / "go.sum").read_bytes()
        return self.cache / "bin" / sha256(pins).hexdigest()[:16]


def ensure(name: str, *, places: Places | None = None, console: Console | None = None) -> Path:
    """Returns the program's path; builds it first if necessary (minutes, shown on `console`, stderr by default).

    Several processes may call it at once: one builds, the others wait.

    Raises: Rejected(BuildFailed) with the compiler's messages; Rejected(NoSource) if this installation has no
    localcluster/; Unavailable(NoGo) as toolchain.go.
    """
    program = PROGRAMS[name]
    places = (places or Places(os.environ)).for_program(program)  # noqa: TID251 - the default of one argument
    _require_pins(program, places)
    return find(name, places) or _build(program, places, console or Console(stderr=True))


def ensure_all(
    names: Iterable[str] = CONTROL_PLANE, *, places: Places | None = None, console: Console | None = None
) -> dict[str, Path]:
    """Calls `ensure` for several programs, one after another: each build alone uses all cores."""
    places = places or Places(os.environ)  # noqa: TID251 - the default of one argument
    console = console or Console(stderr=True)
    wanted = [PROGRAMS[name] for name in names]
    for program in wanted:
        _require_pins(program, places.for_program(program))
    absent = [program.name for program in wanted if find(program.name, places) is None]
    if len(absent) > 1:
        console.print(f"building {len(absent)} programs, once for this machine: minutes, most for kube-apiserver")
    return {program.name: ensure(program.name, places=places, console=console) for program in wanted}


def find(name: str, places: Places) -> Path | None:
    """The path of an existing program at the pinned version; None without one."""
    program = PROGRAMS[name]
    places = places.for_program(program)
    for directories in places.searched:
        found = shutil.which(name, path=directories)
        if found and _is_pinned(program, Path(found), places):
            return Path(found)
    kept = places.kept / name
    return kept if kept.exists() else None


def version(program: Program, module: Path) -> str:
    """The pinned version in go.mod, such as `v1.36.3`."""
    found = re.search(
        rf"^\s*(?:require )?{re.escape(program.module)} (v\S+)", (module / "go.mod").read_text(), re.MULTILINE
    )
    if found is None:
        raise Rejected(
            "NotPinned", f"{module / 'go.mod'} does not require {program.module}; add it with `go get -tool`"
        )
    return found[1]


def _require_pins(program: Program, places: Places) -> None:
    if not (places.module / "go.mod").exists():
        raise Rejected(
            "NoSource",
            f"{places.module} has no go.mod, which pins the version of {program.name}. Run from a source checkout.",
        )


def _is_pinned(program: Program, found: Path, places: Places) -> bool:
    try:
        answer = subprocess.run(
            [found, program.version_argument], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    reported = re.search(r"v?(\d+\.\d+)(\.\d+)", answer.stdout)
    pinned = re.fullmatch(r"v(\d+\.\d+)(\.\d+)", version(program, places.module))
    if reported is None or pinned is None:
        return False
    return reported.groups() == pinned.groups() if program.exact else reported[1] == pinned[1]


def _build(program: Program, places: Places, console: Console) -> Path:
    target = places.kept / program.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target, console):
        if not target.exists():
            go = toolchain.go(places.root, environment=places.environment, cache=places.cache, console=console)
            with terminal.step(console, f"building {program.name} {version(program, places.module)}"):
                _compile(program, places, go, target)
    return target


@contextmanager
def _lock(target: Path, console: Console) -> Iterator[None]:
    """Allows one builder per program. The kernel releases the lock if its holder dies."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with terminal.step(console, f"waiting for another process that is building {target.name}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile(program: Program, places: Places, go: Path, target: Path) -> None:
    """Builds in a directory beside the target and renames the result, so a killed build leaves nothing incomplete."""
    for leftover in target.parent.glob(f".{target.name}.build-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.build-") as room:
        built = Path(room) / program.name
        done = subprocess.run(
            processes.leash([str(go), *_arguments(program, places.module, built)]),
            cwd=places.module,
            env=_environment(places, go),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise _describe_failure(program, done)
        built.rename(target)


def _arguments(program: Program, module: Path, output: Path) -> list[str]:
    flags = " ".join(["-s", "-w", *(f"-X {key}={value}" for key, value in _stamps(program, module).items())])
    return ["build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(output), program.package]


def _stamps(program: Program, module: Path) -> Mapping[str, str]:
    """Linker values. Without them Kubernetes programs report v0.0.0, and clients warn about version skew."""
    if program.directory:
        return {"github.com/distribution/distribution/v3/version.version": version(program, module)}
    kubernetes = version(PROGRAMS["kube-apiserver"], module)
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    values = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return {f"{_BUILD_INFO}.{key}": value for key, value in values.items()}


def _environment(places: Places, go: Path) -> dict[str, str]:
    """The user's environment (proxies, caches), except variables that would change the result of the build."""
    pinned = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "",
        "GOARCH": "",
    }
    return {**places.environment, **pinned, "PATH": f"{go.parent}{os.pathsep}{places.environment.get('PATH', '')}"}


def _describe_failure(program: Program, done: subprocess.CompletedProcess[str]) -> Rejected | Unavailable:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading ")]
    tail = "\n".join(lines[-20:])
    if done.returncode < 0:
        return Unavailable(
            "BuildKilled", f"the build of {program.name} was killed by signal {-done.returncode}; run it again"
        )
    return Rejected(
        "BuildFailed", f"{program.name} could not be built, `go build` exited with {done.returncode}:\n{tail}"
    )
