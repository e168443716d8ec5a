"""Runs `kustomize build` on exactly the files that the guard let through, in a directory of its own, under limits.

The second wall behind gitops.core.guard: even a build that the guard should have refused finds no program to run (empty
PATH), no network where the kernel lets us take it away, nobody's files but its own, and an end.
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

from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.core.config_repo.tree import Source
from gitops.core.errors import Rejected, Unavailable
from gitops.core.kustomize import build_errors

_FLAGS = ("build", "--load-restrictor=LoadRestrictionsRootOnly")
_SCRATCH = Path("/dev/shm")  # noqa: S108 - what is made there is 0700, checked, and named by its owner
_LEAST_SCRATCH = 256 << 20
_OUT_OF_MEMORY = re.compile(r"out of memory|cannot allocate memory|failed to (?:reserve|commit)|errno=12\b")
_MOST_ERRORS = 1 << 20
_TOO_LARGE = re.compile(r"file too large|file size limit")


@dataclass(frozen=True, slots=True)
class RenderLimits:
    """Of one build: wall-clock and CPU seconds, bytes of memory, bytes of any file it writes, output included.

    `memory` counts private writable mappings (RLIMIT_DATA). A limit on address space cannot be used: Go reserves some
    of it at random, and at 1.5 GB every second build of 40 objects died with a few MB in use.
    """

    seconds: float = 60.0
    cpu_seconds: int = 60
    memory: int = 1 << 30
    output: int = 32 << 20


@dataclass(frozen=True, slots=True)
class _Ended:
    returncode: int
    output: bytes
    errors: str
    timed_out: bool


class Kustomize:
    """A ports.Renderer. `cache_directory` is private to one controller; it may be deleted at any time.

    `scratch` is a file system in memory for the files of running builds, used if it is there and has room: to write and
    remove 45 files costs 10 ms on a disk. `programs` is the search path for unshare(1), which takes the network away;
    where that is forbidden or missing, builds go on behind the other limits, and `has_network` says so.

    Raises: Unavailable(NoKustomize) when the binary does not run.
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
        """True where a build's network could not be taken away."""
        return len(self._command) == 1

    def render(self, source: Source) -> bytes:
        """Raises: Rejected(BuildFailed) with kustomize's own words, Rejected(LimitExceeded) past any of the limits."""
        known = self.cached(source.key)
        if known is not None:
            return known
        try:
            with self._slots, self._directory() as directory:
                _write(source.files, directory / "tree")
                # With `./` no name of a directory is an option, nor an address (`github.com/a/b`) to be cloned.
                ended = self._run((*self._command, *_FLAGS, f"./{source.path}"), directory)
        except OSError as error:
            raise Unavailable("CannotRender", f"{source.path}: kustomize cannot be run: {error.strerror}") from error
        if ended.returncode != 0 or len(ended.output) > self._limits.output:
            raise _rejected(source, ended, directory, self._limits)
        self._cache.write(self._key(source.key), ended.output)
        return ended.output

    def cached(self, key: str) -> bytes | None:
        """What was rendered for a source of this key, by this version of kustomize."""
        return self._cache.read(self._key(key))

    def _key(self, key: str) -> str:
        return hashlib.sha256("\0".join((self.version, *_FLAGS, key)).encode()).hexdigest()

    def _probe(self, binary: Path) -> tuple[tuple[str, ...], str]:
        """The command that starts kustomize, without network if that works here, and its version."""
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
        """A private directory, named after this process so that a later one knows whose leftovers it finds."""
        directory = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.builds))
        try:
            for name in ("home", "tmp"):
                (directory / name).mkdir()
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run(self, command: tuple[str, ...], directory: Path) -> _Ended:
        """Output goes to files: the limit on their size is the limit on what we read back."""
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
            timed_out = self._watch(process)
        # On a busy machine a process may have written more before its limits were set.
        with output.open("rb") as out, errors.open("rb") as err:
            written, said = out.read(self._limits.output + 1), err.read(_MOST_ERRORS)
        return _Ended(process.returncode, written, said.decode(errors="replace"), timed_out)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Waits for the end; True when the end was ours. `wait(timeout)` would poll, up to 50 ms apart."""
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            _kill(process)

        timer = threading.Timer(self._limits.seconds, end)
        timer.start()
        try:
            self._limit(process.pid)
            process.wait()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
        return timed_out.is_set()

    def _limit(self, pid: int) -> None:
        """Set from outside, within a millisecond of the start: code between fork and exec is unsafe with threads, and
        the limits bound what is allocated, written and computed from now on, so nothing is lost by the delay.
        """
        limits = self._limits
        wanted = {
            resource.RLIMIT_DATA: limits.memory,
            resource.RLIMIT_CPU: limits.cpu_seconds,
            resource.RLIMIT_FSIZE: limits.output,
            resource.RLIMIT_CORE: 0,
        }
        with contextlib.suppress(ProcessLookupError):
            for kind, value in wanted.items():
                resource.prlimit(pid, kind, (value, value))


def _environment(directory: Path) -> dict[str, str]:
    home = str(directory / "home")
    return {
        "PATH": "",
        "HOME": home,
        "XDG_CONFIG_HOME": home,
        "TMPDIR": str(directory / "tmp"),
        "GIT_ALLOW_PROTOCOL": "none",
        # A build lives for milliseconds: collecting its garbage costs more than keeping it, up to a point.
        "GOGC": "400",
    }


def _private_directory(scratch: Path, cache_directory: Path) -> Path | None:
    """A directory of ours in a file system that everybody may write to, None when there is no room or no trust."""
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
            raise Rejected("OutsideTree", f"{directory} leads out of the config repo")
        (tree / directory).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with open(f"{tree}/{path}", "xb", buffering=0) as file:  # noqa: PTH123 - Path.open costs as much as the write
            file.write(content)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _rejected(source: Source, ended: _Ended, directory: Path, limits: RenderLimits) -> Rejected:
    exceeded = _exceeded(ended, limits)
    if exceeded:
        return Rejected("LimitExceeded", f"{source.path}: the build {exceeded}; split it or make it smaller")
    words = build_errors.readable(ended.errors, str(directory / "tree")) or f"exit {ended.returncode}"
    return Rejected("BuildFailed", f"{source.path}: kustomize: {words}")


def _exceeded(ended: _Ended, limits: RenderLimits) -> str:
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
    """Removes what killed processes left behind. A directory of a process that lives is left alone."""
    for directory in builds.iterdir():
        pid = directory.name.partition("-")[0]
        if not (pid.isdigit() and int(pid) != os.getpid() and _lives(int(pid))):
            shutil.rmtree(directory, ignore_errors=True)


def _remove_if_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
