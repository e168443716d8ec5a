"""Whoever runs the controller can end it, whatever thread the kernel gives the signal to."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from gitops.cli.run import stop_signal


@pytest.fixture
def bystander() -> Iterator[threading.Thread]:
    """A thread that has nothing to do with it."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait, daemon=True)
    thread.start()
    yield thread
    done.set()
    thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_gets_is_heard(bystander: threading.Thread, number: signal.Signals) -> None:
    main, kept = threading.get_ident(), {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def strike_once_it_waits() -> None:
        while sys._current_frames()[main].f_code.co_name != "_await":  # noqa: SLF001 - documented, for debugging
            threading.Event().wait(0.001)
        signal.pthread_kill(bystander.ident or 0, number)

    with stop_signal() as asked:
        threading.Thread(target=strike_once_it_waits, daemon=True).start()
        asked()
    for each, handler in kept.items():
        signal.signal(each, handler)


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
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(hard: int, expected: str) -> None:
    """In a process of its own: the limit is one for all of a process."""
    command = [sys.executable, "-c", LIMITED.format(hard=hard)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == expected
