"""Ctrl-C must not get lost, whenever it comes. In a process of its own: it is about the process's signals."""

import subprocess
import sys

DURING_A_FINALIZER = """
import os, signal
from gitops.local.supervision import processes
from gitops.local.interrupt import interruptible

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass  # the handler runs here

with interruptible() as interrupt:
    Finalized()
    print("went on")
    print(processes.first_ended({}, interrupt=interrupt))
    try:
        interrupt.check()
    except KeyboardInterrupt:
        print("noticed")
"""

AT_ONCE = """
import os, signal
from gitops.local.interrupt import interruptible

with interruptible():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except KeyboardInterrupt:
        print("noticed")
print(signal.getsignal(signal.SIGTERM).name)
"""


def _printed(script: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.splitlines()


def test_an_interrupt_that_python_drops_is_noticed_by_whoever_waits() -> None:
    assert _printed(DURING_A_FINALIZER) == ["went on", "None", "noticed"]


def test_a_termination_interrupts_at_once_and_the_handlers_come_back() -> None:
    assert _printed(AT_ONCE) == ["noticed", "SIG_DFL"]
