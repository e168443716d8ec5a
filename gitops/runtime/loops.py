"""The loops that run as long as the process does: for /healthz, which fails when one of them is dead."""

from collections.abc import Sequence

from gitops.ports import Loop


class Loops:
    """Filled while the controller starts, read by the probes. Thread-safe: entries are only ever added."""

    def __init__(self) -> None:
        self._loops: dict[str, Loop] = {}

    def watch(self, name: str, loop: Loop) -> None:
        """From now on `loop` has to be alive."""
        self._loops[name] = loop

    def dead(self) -> Sequence[str]:
        """The names of the loops that have ended or hang."""
        return [name for name, loop in sorted(self._loops.items()) if not loop.is_alive()]
