"""Which processes run here, written beside their data so that another process can tell, or end them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gitops.local.supervision import processes
from gitops.local.supervision.processes import ProcessIdentity

_FILE = "processes.json"
_GRACE = 3.0


@dataclass(frozen=True, slots=True)
class InstallationRecord:
    """`owner` is the process that started the components; they are in the order of their start."""

    owner: ProcessIdentity
    components: Mapping[str, ProcessIdentity]


def write(directory: Path, record: InstallationRecord) -> None:
    content = {
        "owner": asdict(record.owner),
        "components": {name: asdict(each) for name, each in record.components.items()},
    }
    written = directory / f".{_FILE}.new"
    written.write_text(json.dumps(content, indent=2) + "\n")
    written.replace(directory / _FILE)


def read(directory: Path) -> InstallationRecord | None:
    """What was recorded, alive or not."""
    try:
        content = json.loads((directory / _FILE).read_text())
    except FileNotFoundError:
        return None
    components = {name: ProcessIdentity(**each) for name, each in content["components"].items()}
    return InstallationRecord(ProcessIdentity(**content["owner"]), components)


def owner(directory: Path) -> ProcessIdentity | None:
    """The recorded owner while it is alive."""
    found = read(directory)
    return found.owner if found and processes.is_alive(found.owner) else None


def running(directory: Path) -> InstallationRecord | None:
    """What of the recorded components is alive; None when nothing is. Its owner may be gone nevertheless."""
    found = read(directory)
    if found is None:
        return None
    alive = {name: each for name, each in found.components.items() if processes.is_alive(each)}
    return InstallationRecord(found.owner, alive) if alive else None


def stop(directory: Path) -> tuple[str, ...]:
    """Ends what is alive of the recorded components, last started first, and names it. Never touches a process that
    is not the very one recorded. The owner is left alone: ask it first, if it lives.
    """
    found = running(directory)
    ended = tuple(found.components.items())[::-1] if found else ()
    for _, identity in ended:
        processes.end(identity, grace=_GRACE)
    (directory / _FILE).unlink(missing_ok=True)
    return tuple(name for name, _ in ended)
