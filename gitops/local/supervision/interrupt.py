"""Ctrl-C and SIGTERM for a program that has things to stop."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupt:
    """Whether somebody wants us to stop. `fileno` is readable from then on, for whoever waits by select."""

    def __init__(self) -> None:
        self._event = os.eventfd(0)
        self._wanted = False

    def fileno(self) -> int:
        return self._event

    def check(self) -> None:
        """Raises: KeyboardInterrupt when we are to stop."""
        if self._wanted:
            raise KeyboardInterrupt

    def _arrive(self, *_: object) -> None:
        self._wanted = True
        os.eventfd_write(self._event, 1)
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """SIGINT and SIGTERM raise KeyboardInterrupt, also in a background job, which shells start with SIGINT ignored.

    Python drops an exception that comes while a finalizer runs; so whoever waits must look at the Interrupt as well.
    """
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt._arrive) for number in (signal.SIGINT, signal.SIGTERM)}  # noqa: SLF001 - one unit
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(interrupt.fileno())
