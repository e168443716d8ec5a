"""Bounds for the programs that adapters start: resource limits, and the end of a whole process group.

Both functions expect a process that was started with start_new_session=True: its pid is then the id of its group.
Not here: how an adapter waits for its program. git reads pipes, kustomize writes to files.
"""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping


def limit_resources(process: subprocess.Popen[bytes], limits: Mapping[int, int]) -> None:
    """Sets resource.RLIMIT_* of a process that runs, and of every process that it starts from now on.

    The limits are set from outside because code between fork and exec is unsafe in a program with threads. They bound
    only what the process allocates, writes and computes afterwards, about a millisecond after its start.

    Raises: PermissionError or ValueError for a limit above the present hard limit.
    """
    with contextlib.suppress(ProcessLookupError):
        for kind, value in limits.items():
            resource.prlimit(process.pid, kind, (value, value))


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and everything that it started, as far as they still run."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
