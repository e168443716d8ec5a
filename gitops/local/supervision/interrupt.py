"""Ctrl-C and SIGTERM for a program that must stop its children first."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupt:
    """Records whether a stop was requested. From then on `fileno` is readable, for code that waits with select."""

    def __init__(self) -> None:
        self._event = os.eventfd(0)
        self._requested = False

    def fileno(self) -> int:
        return self._event

    def check(self) -> None:
        """Raises: KeyboardInterrupt if a stop was requested."""
        if self._requested:
            raise KeyboardInterrupt

    def _request_stop(self, *_: object) -> None:
        self._requested = True
        os.eventfd_write(self._event, 1)
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Makes SIGINT and SIGTERM raise KeyboardInterrupt, also in a background job, which shells start with SIGINT
    ignored.

    Python drops an exception that is raised while a finalizer runs, so code that waits must check the Interrupt too.
    """
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt._request_stop) for number in (signal.SIGINT, signal.SIGTERM)}  # noqa: SLF001 - one unit
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(interrupt.fileno())
