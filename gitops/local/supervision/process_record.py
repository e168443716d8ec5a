"""A record of the running processes, beside their data: another process can show or end them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gitops.local.supervision import processes
from gitops.local.supervision.processes import ProcessIdentity

_FILE = "processes.json"
_GRACE = 3.0


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """`owner` is the process that started the components. They are in the order of their start."""

    owner: ProcessIdentity
    components: Mapping[str, ProcessIdentity]


def write(directory: Path, record: ProcessRecord) -> None:
    content = {
        "owner": asdict(record.owner),
        "components": {name: asdict(each) for name, each in record.components.items()},
    }
    written = directory / f".{_FILE}.new"
    written.write_text(json.dumps(content, indent=2) + "\n")
    written.replace(directory / _FILE)


def read(directory: Path) -> ProcessRecord | None:
    """The record, whether its processes are alive or not; None without one."""
    try:
        content = json.loads((directory / _FILE).read_text())
    except FileNotFoundError:
        return None
    components = {name: ProcessIdentity(**each) for name, each in content["components"].items()}
    return ProcessRecord(ProcessIdentity(**content["owner"]), components)


def owner(directory: Path) -> ProcessIdentity | None:
    """The recorded owner if it is alive."""
    found = read(directory)
    return found.owner if found and processes.is_alive(found.owner) else None


def running(directory: Path) -> ProcessRecord | None:
    """The recorded components that are alive; None if all have ended. The owner may have ended nevertheless."""
    found = read(directory)
    if found is None:
        return None
    alive = {name: each for name, each in found.components.items() if processes.is_alive(each)}
    return ProcessRecord(found.owner, alive) if alive else None


def stop(directory: Path) -> tuple[str, ...]:
    """Ends the recorded components that are alive, last started first, and returns their names. Identities are
    compared, so no other process is ended. The owner is not ended: stop it first if it is alive.
    """
    found = running(directory)
    ended = tuple(found.components.items())[::-1] if found else ()
    for _, identity in ended:
        processes.end(identity, grace=_GRACE)
    (directory / _FILE).unlink(missing_ok=True)
    return tuple(name for name, _ in ended)
