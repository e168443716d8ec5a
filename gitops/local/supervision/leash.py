"""Executes another program that is killed when the process that started it ends.

    python -I -S leash.py PARENT_PID PROGRAM [ARGUMENT...]

The kernel sends the parent-death signal when the *thread* that made the child ends, not the process (prctl(2),
PR_SET_PDEATHSIG), so a leashed program must be started from a thread that lives as long as it. The signal survives
execve. It is SIGKILL because no process is left to wait for a slow shutdown; etcd recovers by its write-ahead log.
This is a script rather than a preexec_fn, which may deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, program, *rest = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the process that started this one has already ended")
    os.execv(program, [program, *rest])  # noqa: S606 - the purpose of this script


if __name__ == "__main__":
    main(sys.argv[1:])
