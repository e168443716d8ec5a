"""Becomes another program that dies with the process that started it.

    python -I -S leash.py PARENT_PID PROGRAM [ARGUMENT...]

The kernel sends the parent-death signal when the *thread* that made the child ends, not the process (prctl(2),
PR_SET_PDEATHSIG): whoever starts a leashed program must do it from a thread that lives as long. The signal survives
execve. It is SIGKILL because nobody is left to wait for a slow shutdown; etcd recovers from it by its write-ahead log.
A script of its own rather than a preexec_fn, which may deadlock in a process that has threads.
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
        sys.exit("the process that asked for this one is already gone")
    os.execv(program, [program, *rest])  # noqa: S606 - the whole purpose


if __name__ == "__main__":
    main(sys.argv[1:])
