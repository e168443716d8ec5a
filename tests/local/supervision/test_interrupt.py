"""Ctrl-C is never lost. The tests run in child processes, because signals belong to a process."""

import subprocess
import sys

DURING_A_FINALIZER = """
import os, signal
from gitops.local.supervision import processes
from gitops.local.supervision.interrupt import interruptible

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass  # the handler runs here

with interruptible() as interrupt:
    Finalized()
    print("went on")
    print(processes.wait_first_ended({}, interrupt=interrupt))
    try:
        interrupt.check()
    except KeyboardInterrupt:
        print("noticed")
"""

AT_ONCE = """
import os, signal
from gitops.local.supervision.interrupt import interruptible

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


def test_interrupt_that_python_drops_is_noticed_while_waiting() -> None:
    assert _printed(DURING_A_FINALIZER) == ["went on", "None", "noticed"]


def test_interrupt_by_sigterm_is_immediate_and_restores_the_handlers() -> None:
    assert _printed(AT_ONCE) == ["noticed", "SIG_DFL"]
