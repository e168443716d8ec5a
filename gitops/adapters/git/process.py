"""Runs git: an environment made from scratch, a wall-clock limit, the whole process group killed when it is over.

GitPython's own runner hands our environment down to git (tokens, GIT_DIR, askpass programs) and finds the processes of
a hung command with `pgrep`. So this module starts the processes; GitPython only reads objects from them (objects.py).
"""

import contextlib
import fcntl
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitops.adapters.bounded_process import kill_group, limit_resources
from gitops.core.errors import Rejected, Unavailable
from gitops.core.parsing import git_urls

LOCAL_LIMIT = 30.0
"""Seconds for a command that asks no remote."""

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_LONGEST_TEXT = 500

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "none",  # the clone is disposable; only the remote has to be durable
    "credential.helper": "",
    "protocol.ext.allow": "never",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
    "maintenance.auto": "false",  # Clone.collect_garbage runs gc, never a fetch
    "gc.auto": "2000",
    "gc.autoDetach": "false",
    "pack.threads": "1",
}


def check_url(url: str) -> str:
    """Returns the URL if git may use it: https, ssh (also `git@host:path`) or a local absolute path.

    Raises: Rejected(UnsafeUrl) for anything else: options, `ext::` and other helpers, plain http, passwords in the URL.
    """
    if not git_urls.is_for_git(url):
        raise Rejected(
            "UnsafeUrl",
            f"{sanitize(url)!r} cannot be the config repo's URL: use https://host/path, ssh://git@host/path, "
            "git@host:path or an absolute path, without a password in it",
        )
    return url


def is_local(url: str) -> bool:
    """True for a path on this machine's disk."""
    return git_urls.is_on_disk(url)


def sanitize(text: str) -> str:
    """Makes text of another party fit for a message: one line, no control characters, no user information of URLs, at
    most 500 characters.
    """
    line = _CONTROL.sub(" ", _USER_INFO.sub("", text))
    return " ".join(line.split())[:_LONGEST_TEXT]


@dataclass(frozen=True, slots=True)
class GitResult:
    """A command that ended. `code` is its exit code."""

    code: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git commands in one bare clone.

    `owner` is a locked file descriptor that every child inherits: after the controller was killed, the lock lasts as
    long as one of its git processes. `environment` is added to the environment made from scratch, `settings` to the
    fixed git configuration. `largest_output` caps every file that a command writes, in bytes.
    """

    directory: Path
    protocols: str = "none"
    owner: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    largest_output: int = 2 << 30

    def run(self, arguments: Sequence[str], *, limit: float, stdin: bytes = b"") -> GitResult:
        """Runs a command to its end; the caller looks at the exit code.

        Raises: Unavailable(GitTimeout) after `limit` seconds; every process of the command is killed then.
        """
        process = self.start(arguments)
        with process:
            _limit_files(process, self.largest_output)
            try:
                stdout, stderr = process.communicate(stdin, timeout=limit)
            except subprocess.TimeoutExpired as error:
                raise Unavailable(
                    "GitTimeout", f"git {arguments[0]} did not finish within {limit:g} s and was killed"
                ) from error
            finally:
                kill_group(process)
        return GitResult(process.returncode, stdout, stderr.decode(errors="replace"))

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Starts a git whose three streams are pipes. Raises: Unavailable(GitMissing)."""
        program = shutil.which("git")
        if program is None:
            raise Unavailable("GitMissing", "there is no git on the PATH: install git 2.36 or newer")
        return subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self._environment(Path(program).parent),
            start_new_session=True,
            pass_fds=() if self.owner is None else (self.owner,),
        )

    def _environment(self, programs: Path) -> dict[str, str]:
        settings = {**_SETTINGS, **self.settings}
        pairs = [
            pair
            for number, (key, value) in enumerate(settings.items())
            for pair in ((f"GIT_CONFIG_KEY_{number}", key), (f"GIT_CONFIG_VALUE_{number}", value))
        ]
        return {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "LC_ALL": "C",
            "GIT_DIR": ".",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",  # fails at once; an empty answer would count as one more failed log-in
            "GIT_SSH_COMMAND": "false",
            "GIT_ALLOW_PROTOCOL": self.protocols,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            **self.environment,
            "GIT_CONFIG_COUNT": str(len(settings)),
            **dict(pairs),
        }


def acquire_lock(lock: Path) -> int:
    """Locks a file and returns its descriptor. The lock lasts until every process that inherited it has closed it.

    Raises: Unavailable(CloneInUse) while another controller holds the lock, or a git that a killed controller left.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Unavailable(
            "CloneInUse", f"{lock} is locked by another running controller, or by a git that is just ending"
        ) from error
    return descriptor


def remove_leftovers(directory: Path) -> None:
    """Removes the lock files and temporary files of a git that was killed in this repository."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*", "objects/**/*.lock", "fast_import_crash_*"):
        for leftover in directory.glob(pattern):
            leftover.unlink(missing_ok=True)


def _limit_files(process: subprocess.Popen[bytes], largest: int) -> None:
    """Bounds a pack file, so that a remote cannot fill the disk, and forbids core dumps, which may hold a token."""
    with contextlib.suppress(PermissionError, ValueError, AttributeError):  # no prlimit(2) outside Linux
        limit_resources(process, {resource.RLIMIT_FSIZE: largest, resource.RLIMIT_CORE: 0})
