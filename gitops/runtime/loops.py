"""The loops that run as long as the process does. /healthz fails if one of them is dead."""

from collections.abc import Sequence

from gitops.ports import Loop


class Loops:
    """The loops of one process. The controller adds them while it starts; the probes read them. Thread-safe: entries
    are only added.
    """

    def __init__(self) -> None:
        self._loops: dict[str, Loop] = {}

    def watch(self, name: str, loop: Loop) -> None:
        """Adds a loop that must be alive from now on."""
        self._loops[name] = loop

    def dead(self) -> Sequence[str]:
        """Names of the loops that have ended or hang."""
        return [name for name, loop in sorted(self._loops.items()) if not loop.is_alive()]
