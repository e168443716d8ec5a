"""Programs that end with us, and programs that an earlier run of ours left behind."""

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
    """A process that cannot be mistaken for a later one with the same number: `started` holds the boot and the tick."""

    pid: int
    started: str


def identify(pid: int) -> ProcessIdentity | None:
    """None when there is no such process, or only its zombie."""
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
    """Starts a program in a session of its own (Ctrl-C in our terminal is for us to pass on, in order), its output
    appended to `log`. It is killed when this process ends in whatever way.

    Raises: Rejected(WrongThread) outside the main thread, whose end would kill the program (see leash.py).
    """
    if threading.current_thread() is not threading.main_thread():
        raise Rejected("WrongThread", f"{argv[0]} must be started from the main thread, or it would die with this one")
    with log.open("ab") as output:
        return subprocess.Popen(
            leashed(argv), cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def leashed(argv: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *argv]


def end(identity: ProcessIdentity, *, grace: float) -> None:
    """Asks the process (a leader of its own group) to end, and kills its group after `grace` seconds. Returns when it
    is gone; a process that is gone already, or whose number belongs to another one now, is left alone.
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


def ended(identity: ProcessIdentity, *, within: float | None) -> bool:
    """Waits that many seconds, None for ever, for the process to end; True as soon as it has."""
    with ExitStack() as handles:
        handle = _opened(identity, handles)
        return handle is None or _wait(handle, within)


def first_ended(watched: Mapping[str, ProcessIdentity], *, interrupt: Interrupt) -> str | None:
    """Waits until one of the processes has ended, and names it; None when the interrupt comes before."""
    with ExitStack() as handles:
        names: dict[int, str] = {}
        for name, identity in watched.items():
            handle = _opened(identity, handles)
            if handle is None:
                return name
            names[handle] = name
        ready, _, _ = select.select([*names, interrupt.fileno()], [], [])
        return next((names[each] for each in ready if each in names), None)


def _opened(identity: ProcessIdentity, handles: ExitStack) -> int | None:
    """A pidfd, closed with `handles`; None when the process is gone."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    handles.callback(os.close, handle)
    return handle if is_alive(identity) else None


def _wait(handle: int, seconds: float | None) -> bool:
    """A pidfd becomes readable when its process ends: pidfd_open(2)."""
    return bool(select.select([handle], [], [], seconds)[0])
