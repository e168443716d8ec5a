"""Starts, identifies and ends child processes, including those that an earlier run left behind."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from gitops.core.errors import Rejected
from gitops.local.supervision.interrupt import Interrupt

_LEASH = Path(__file__).with_name("leash.py")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process. `started` (boot id and start tick) tells it from a later process with the same pid."""

    pid: int
    started: str


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a process; None if no process has this pid, or only a zombie has it."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        # proc(5): the name in parentheses may hold anything, so count fields after the last one: state, ..., starttime
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else ProcessIdentity(pid, f"{boot}/{fields[18]}")


def is_alive(identity: ProcessIdentity) -> bool:
    return identify(identity.pid) == identity


def start(argv: Sequence[str], *, directory: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts a program in its own session, so that Ctrl-C reaches only this process, which stops its children in order.
    Its output is appended to `log`. The kernel kills it when this process ends.

    Raises: Rejected(WrongThread) outside the main thread: the end of another thread would kill the program (leash.py).
    """
    if threading.current_thread() is not threading.main_thread():
        raise Rejected(
            "WrongThread", f"{argv[0]} must be started from the main thread: it would be killed when this thread ends"
        )
    with log.open("ab") as output:
        return subprocess.Popen(
            leash(argv), cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def leash(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` under leash.py."""
    return [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *argv]


def end(identity: ProcessIdentity, *, grace: float) -> None:
    """Sends SIGTERM to the process's group, and SIGKILL after `grace` seconds. Returns when the process has ended. Does
    nothing if it has ended already or its pid belongs to another process now.
    """
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return
    try:
        if not is_alive(identity):
            return
        for request, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError):
                os.killpg(identity.pid, request)
            if _wait(handle, patience):
                return
    finally:
        os.close(handle)


def wait_ended(identity: ProcessIdentity, *, within: float | None) -> bool:
    """Waits until the process has ended, at most `within` seconds (None: without limit). True if it has ended."""
    with ExitStack() as handles:
        handle = _open_pidfd(identity, handles)
        return handle is None or _wait(handle, within)


def wait_first_ended(watched: Mapping[str, ProcessIdentity], *, interrupt: Interrupt) -> str | None:
    """Waits until one of the processes has ended, and returns its name; None if the interrupt comes first."""
    with ExitStack() as handles:
        names: dict[int, str] = {}
        for name, identity in watched.items():
            handle = _open_pidfd(identity, handles)
            if handle is None:
                return name
            names[handle] = name
        ready, _, _ = select.select([*names, interrupt.fileno()], [], [])
        return next((names[each] for each in ready if each in names), None)


def _open_pidfd(identity: ProcessIdentity, handles: ExitStack) -> int | None:
    """Opens a pidfd that is closed with `handles`. None if the process has ended."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    handles.callback(os.close, handle)
    return handle if is_alive(identity) else None


def _wait(handle: int, seconds: float | None) -> bool:
    """A pidfd becomes readable when its process ends: pidfd_open(2)."""
    return bool(select.select([handle], [], [], seconds)[0])
