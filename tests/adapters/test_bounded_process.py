"""Resource limits that the kernel enforces, and the end of a whole process group. Real processes."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.adapters.bounded_process import kill_group, limit_resources
from tests.worlds.kubernetes import eventually

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit(2) is Linux's")

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    yield started
    kill_group(started)
    started.communicate()


def test_process_limits_are_set_while_it_runs(process: subprocess.Popen[bytes]) -> None:
    limit_resources(process, {resource.RLIMIT_FSIZE: 4096, resource.RLIMIT_CORE: 0})
    assert resource.prlimit(process.pid, resource.RLIMIT_FSIZE) == (4096, 4096)
    assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0)


def test_process_that_has_ended_needs_no_limit(process: subprocess.Popen[bytes]) -> None:
    kill_group(process)
    process.wait()
    limit_resources(process, {resource.RLIMIT_CORE: 0})
    kill_group(process)


def test_process_children_are_killed_with_it(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    child = int(process.stdout.readline())
    kill_group(process)
    process.wait()
    eventually(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    """Tell if the process runs. A zombie does not: process 1 of a container may not reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
