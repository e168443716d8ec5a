"""Runs git: an environment made from scratch, a wall-clock limit, the whole process group killed when it is over.

GitPython's own runner hands our environment down to git (tokens, GIT_DIR, askpass programs) and finds the processes of
a hung command by asking `pgrep`; so processes are started here, and GitPython reads objects from them (git_objects).
"""

import contextlib
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitops.core.errors import Rejected, Unavailable
from gitops.core.parsing import git_urls as remotes

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_LONGEST_TEXT = 500

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "none",  # the clone is disposable; the remote decides for itself what durable means
    "credential.helper": "",
    "protocol.ext.allow": "never",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "20",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "submodule.recurse": "false",
    "maintenance.auto": "false",  # gc runs when it is asked to, never behind a fetch
    "gc.auto": "2000",
    "gc.autoDetach": "false",
    "pack.threads": "1",
}


def check_url(url: str) -> str:
    """The URL itself when git may be given it: https, ssh (also `git@host:path`) or a local absolute path.

    Raises: Rejected(UnsafeUrl) for anything else: options, `ext::` and other helpers, plain http, passwords in the URL.
    """
    if not remotes.is_for_git(url):
        raise Rejected(
            "UnsafeUrl",
            f"{shown(url)!r} cannot be the config repo's URL: use https://host/path, ssh://git@host/path, "
            "git@host:path or an absolute path, without a password in it",
        )
    return url


def is_local(url: str) -> bool:
    return remotes.is_on_disk(url)


def shown(text: str) -> str:
    """Text of another party, fit for a message: one line, no control characters, no user information, cut to length."""
    line = _CONTROL.sub(" ", _USER_INFO.sub("", text))
    return " ".join(line.split())[:_LONGEST_TEXT]


@dataclass(frozen=True, slots=True)
class GitResult:
    code: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class Git:
    """Git commands in one bare clone. `owner` is a file descriptor that every child inherits: a lock on it outlives a
    killed controller for exactly as long as one of its git processes lives.

    `environment` is added to the environment from scratch; `settings` are git configuration keys added to the fixed
    ones. `largest_output` caps every file that a command writes, in bytes.
    """

    directory: Path
    protocols: str = "none"
    owner: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    largest_output: int = 2 << 30

    def run(self, arguments: Sequence[str], *, limit: float, stdin: bytes = b"") -> GitResult:
        """Waits for the command; a non-zero exit is the caller's to judge.

        Raises: Unavailable(GitTimeout) after `limit` seconds, with every process of the command killed.
        """
        process = self.start(arguments)
        with process:
            _cap(process.pid, self.largest_output)
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
        """A running git whose three streams are pipes."""
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
            "GIT_ASKPASS": "false",  # ends a question at once; an empty answer would be one more failed log-in
            "GIT_SSH_COMMAND": "false",
            "GIT_ALLOW_PROTOCOL": self.protocols,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            **self.environment,
            "GIT_CONFIG_COUNT": str(len(settings)),
            **dict(pairs),
        }


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the process and of everything it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def own(lock: Path) -> int:
    """Takes the lock of a state directory; the descriptor returned holds it until it and all its heirs are closed.

    Raises: Unavailable(CloneInUse) while another controller, or a git that a killed one left behind, still has it.
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


def _cap(pid: int, largest: int) -> None:
    """A remote that sends without end fills a pack file, not the disk. What crashes leaves no copy of a token."""
    with contextlib.suppress(ProcessLookupError, PermissionError, ValueError, AttributeError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, largest))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
