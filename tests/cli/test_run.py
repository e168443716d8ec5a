"""`lockstep run` ends on SIGTERM and SIGINT, whichever thread the kernel delivers the signal to."""

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from gitops.cli.run import stop_signal


@pytest.fixture
def bystander() -> Iterator[threading.Thread]:
    """A thread that only waits."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait, daemon=True)
    thread.start()
    yield thread
    done.set()
    thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_is_received_though_another_thread_gets_it(
    bystander: threading.Thread, number: signal.Signals
) -> None:
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
