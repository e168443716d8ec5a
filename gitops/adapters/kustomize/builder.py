"""Runs `kustomize build` on exactly the files that the guard allowed, in a directory of its own, under limits.

It is the second barrier behind gitops.core.kustomize.guard. A build that the guard should have refused still finds no
program to run (empty PATH), no network where the kernel lets us take it away, and no files but its own, and it ends.
"""

import contextlib
import hashlib
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitops.adapters.bounded_process import kill_group, limit_resources
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.core.config_repo.tree import Source
from gitops.core.errors import Rejected, Unavailable
from gitops.core.kustomize import build_errors

_FLAGS = ("build", "--load-restrictor=LoadRestrictionsRootOnly")
_SCRATCH = Path("/dev/shm")  # noqa: S108 - our directory there has mode 0700, and its owner and mode are checked
_LEAST_SCRATCH = 256 << 20
_OUT_OF_MEMORY = re.compile(r"out of memory|cannot allocate memory|failed to (?:reserve|commit)|errno=12\b")
_MOST_ERRORS = 1 << 20
_TOO_LARGE = re.compile(r"file too large|file size limit")


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """Limits of one build: wall-clock seconds, CPU seconds, bytes of memory, bytes of any file it writes, output
    included.

    `memory` counts private writable mappings (RLIMIT_DATA). A limit on the address space does not work: Go reserves
    parts of it at random, and at 1.5 GB every second build of 40 objects died with a few MB in use.
    """

    seconds: float = 60.0
    cpu_seconds: int = 60
    memory: int = 1 << 30
    output: int = 32 << 20


@dataclass(frozen=True, slots=True)
class _Build:
    """A build that ended."""

    returncode: int
    output: bytes
    errors: str
    timed_out: bool


class Kustomize:
    """Implements ports.Renderer. `cache_directory` is private to one controller; it may be deleted at any time.

    `scratch` is a file system in memory for the files of running builds. It is used if it exists and has room: on a
    disk, writing and removing 45 files costs 10 ms. `programs` is the search path for unshare(1), which takes the
    network away. Where unshare is missing or forbidden, builds run under the other limits, and has_network is True.

    Raises: Unavailable(NoKustomize) if the binary does not run.
    """

    def __init__(
        self,
        binary: Path,
        cache_directory: Path,
        limits: RenderLimits | None = None,
        *,
        scratch: Path = _SCRATCH,
        programs: str = os.defpath,
    ) -> None:
        self.directory = cache_directory
        unshare = shutil.which("unshare", path=programs)
        self._unshare = (unshare, "--map-root-user", "--net", "--") if unshare else ()
        self._limits = limits or RenderLimits()
        self.builds = _private_directory(scratch, cache_directory) or cache_directory / "builds"
        self._slots = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._cache = RenderCache(cache_directory / "renders")
        self.builds.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(self.builds)
        weakref.finalize(self, _remove_if_empty, self.builds)
        self._command, self.version = self._probe(binary)

    @property
    def has_network(self) -> bool:
        """True if builds keep their network, because unshare(1) does not work here."""
        return len(self._command) == 1

    def render(self, source: Source) -> bytes:
        """Builds a source, or returns its cached manifests.

        Raises: Rejected(BuildFailed) with kustomize's own words, Rejected(LimitExceeded) above one of the limits.
        """
        known = self.read_cached(source.key)
        if known is not None:
            return known
        try:
            with self._slots, self._directory() as directory:
                _write(source.files, directory / "tree")
                # After `./` kustomize takes no directory name for an option or for a git address (`github.com/a/b`).
                ended = self._run((*self._command, *_FLAGS, f"./{source.path}"), directory)
        except OSError as error:
            raise Unavailable("CannotRender", f"{source.path}: kustomize cannot be run: {error.strerror}") from error
        if ended.returncode != 0 or len(ended.output) > self._limits.output:
            raise _build_error(source, ended, directory, self._limits)
        self._cache.write(self._cache_key(source.key), ended.output)
        return ended.output

    def read_cached(self, key: str) -> bytes | None:
        """The manifests of a source with this key, rendered by this version of kustomize, or None."""
        return self._cache.read(self._cache_key(key))

    def _cache_key(self, key: str) -> str:
        return hashlib.sha256("\0".join((self.version, *_FLAGS, key)).encode()).hexdigest()

    def _probe(self, binary: Path) -> tuple[tuple[str, ...], str]:
        """Finds the command that starts kustomize, without a network if possible, and the version."""
        bare = (str(binary.absolute()),)
        for command in (self._unshare + bare, bare) if self._unshare else (bare,):
            with self._directory() as directory, contextlib.suppress(OSError):
                (directory / "tree").mkdir()
                ended = self._run((*command, "version"), directory)
                if ended.returncode == 0:
                    return command, ended.output.decode(errors="replace").strip()
        raise Unavailable("NoKustomize", f"{binary} does not run; `kustomize version` must work")

    @contextmanager
    def _directory(self) -> Iterator[Path]:
        """A directory for one build. Its name begins with our pid, so that a later process can remove leftovers."""
        directory = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.builds))
        try:
            for name in ("home", "tmp"):
                (directory / name).mkdir()
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run(self, command: tuple[str, ...], directory: Path) -> _Build:
        """Runs a command with its output in files, so that the limit on file sizes bounds what we read back."""
        output, errors = directory / "output", directory / "errors"
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                command,
                cwd=directory / "tree",
                env=_environment(directory),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            timed_out = self._wait(process)
        # On a busy machine a process may have written more before its limits were set.
        with output.open("rb") as out, errors.open("rb") as err:
            written, errors_written = out.read(self._limits.output + 1), err.read(_MOST_ERRORS)
        return _Build(process.returncode, written, errors_written.decode(errors="replace"), timed_out)

    def _wait(self, process: subprocess.Popen[bytes]) -> bool:
        """Waits for the end of a build; True if its time ran out. Popen.wait(timeout) would poll every 50 ms."""
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            _kill(process)

        timer = threading.Timer(self._limits.seconds, end)
        timer.start()
        try:
            limit_resources(
                process,
                {
                    resource.RLIMIT_DATA: self._limits.memory,
                    resource.RLIMIT_CPU: self._limits.cpu_seconds,
                    resource.RLIMIT_FSIZE: self._limits.output,
                    resource.RLIMIT_CORE: 0,
                },
            )
            process.wait()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
        return timed_out.is_set()


def _environment(directory: Path) -> dict[str, str]:
    home = str(directory / "home")
    return {
        "PATH": "",
        "HOME": home,
        "XDG_CONFIG_HOME": home,
        "TMPDIR": str(directory / "tmp"),
        "GIT_ALLOW_PROTOCOL": "none",
        # A build lives for milliseconds: up to a limit, collecting its garbage costs more than keeping it.
        "GOGC": "400",
    }


def _private_directory(scratch: Path, cache_directory: Path) -> Path | None:
    """Makes our directory in a file system that every user may write to. None if it lacks room, or if another user owns
    the directory.
    """
    name = hashlib.sha256(str(cache_directory.absolute()).encode()).hexdigest()[:16]
    directory = scratch / f"lockstep-{os.getuid()}-{name}"
    try:
        if shutil.disk_usage(scratch).free < _LEAST_SCRATCH:
            return None
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    return directory if private and found.st_uid == os.getuid() else None


def _write(files: Mapping[str, bytes], tree: Path) -> None:
    for directory in {PurePosixPath(path).parent for path in files}:
        if directory.is_absolute() or ".." in directory.parts:
            raise Rejected("OutsideTree", f"{directory} is outside the config repo")
        (tree / directory).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with open(f"{tree}/{path}", "xb", buffering=0) as file:  # noqa: PTH123 - Path.open costs as much as the write
            file.write(content)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        kill_group(process)


def _build_error(source: Source, ended: _Build, directory: Path, limits: RenderLimits) -> Rejected:
    exceeded = _find_exceeded_limit(ended, limits)
    if exceeded:
        return Rejected("LimitExceeded", f"{source.path}: the build {exceeded}; split it or make it smaller")
    words = build_errors.describe(ended.errors, str(directory / "tree")) or f"exit {ended.returncode}"
    return Rejected("BuildFailed", f"{source.path}: kustomize: {words}")


def _find_exceeded_limit(ended: _Build, limits: RenderLimits) -> str:
    """Names the limit that the build exceeded, or empty."""
    if ended.timed_out:
        return f"took longer than {limits.seconds:g} s"
    if ended.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        return f"took more than {limits.cpu_seconds} s of CPU, or was killed"
    if _OUT_OF_MEMORY.search(ended.errors):
        return f"needs more than {limits.memory >> 20} MiB of memory"
    too_much = len(ended.output) > limits.output or ended.returncode == -signal.SIGXFSZ
    if too_much or _TOO_LARGE.search(ended.errors):
        return f"renders more than {limits.output >> 20} MiB"
    return ""


def _sweep(builds: Path) -> None:
    """Removes the directories that killed processes left. A directory whose process lives stays."""
    for directory in builds.iterdir():
        pid = directory.name.partition("-")[0]
        if not (pid.isdigit() and int(pid) != os.getpid() and _is_alive(int(pid))):
            shutil.rmtree(directory, ignore_errors=True)


def _remove_if_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
