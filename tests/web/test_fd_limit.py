"""The limit of open files: how far it is raised, and how many connections it leaves."""

import subprocess
import sys

import pytest

LIMITED = """
import resource
from gitops.web import fd_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, min(hard, {hard})))
few = fd_limit.connections()
fd_limit.raise_limit()
print(few, resource.getrlimit(resource.RLIMIT_NOFILE)[0], fd_limit.connections())
"""


@pytest.mark.parametrize(("hard", "expected"), [(256, "18 256 18"), (1024, "18 1024 274"), (4096, "18 4096 1298")])
def test_fd_limit_is_raised_as_far_as_the_hard_limit_allows(hard: int, expected: str) -> None:
    """The test runs in a process of its own, because the limit counts for a whole process."""
    command = [sys.executable, "-c", LIMITED.format(hard=hard)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == expected
