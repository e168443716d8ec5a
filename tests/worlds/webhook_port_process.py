"""The listeners that strangers can reach, webhooks and page, in a process of their own: their cost can be measured.

Every sender of the tests is configured, and each event counts as committed. Run as a module it prints its ports, and
ends when its standard input does.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint

from gitops.core.image_updates.events import Event
from gitops.runtime.logs import LogOutput, configure
from gitops.web.apps import create_page_app, create_webhook_app
from gitops.web.listener import Listener, ListenerLimits
from tests import ROOT
from tests.webhooks.test_receivers import SENDERS
from tests.worlds.webhooks import FixedProbes, WebhookParties
from webhooks.sender import body_limit

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class AcceptingInbox:
    def accept(self, events: Sequence[Event], *, delivery: str, deadline: float) -> Sequence[str]:
        return [f"{delivery}: done"] * len(events)


@dataclass(frozen=True)
class DoorProcess:
    """A running process. `log` is its standard error, `scratch` its only directory for temporary files."""

    pid: int
    hooks: int
    page: int
    log: Path
    scratch: Path

    def resident(self) -> int:
        """Read the resident memory of the process, in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_SIZE

    def cpu_seconds(self) -> float:
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def most_files(self) -> int:
        """Read the limit of open files."""
        (line,) = (each for each in Path(f"/proc/{self.pid}/limits").read_text().splitlines() if "open files" in each)
        return int(line.split()[3])

    def logged(self) -> list[str]:
        return self.log.read_text().splitlines()


@contextmanager
def running(directory: Path, **limits: int) -> Iterator[DoorProcess]:
    scratch, log = directory / "scratch", directory / "log"
    scratch.mkdir()
    command = [sys.executable, "-m", "tests.worlds.webhook_port_process", json.dumps(limits)]
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment
        )
        with process:
            assert process.stdout is not None
            ports = json.loads(process.stdout.readline())
            yield DoorProcess(process.pid, ports["hooks"], ports["page"], log, scratch)
            assert process.poll() is None, "it did not survive"


def serve(wanted: Mapping[str, int]) -> None:
    """`files` limits the open files from the start; `more_files` limits those beyond the ones open once it listens."""
    limits = dict(wanted)
    files, more_files = limits.pop("files", 0), limits.pop("more_files", 0)
    configure(LogOutput(sys.stderr, "lockstep", style="json"))
    if files:
        _allow_files(files)
    well, inputs = FixedProbes(), WebhookParties().inputs(SENDERS, AcceptingInbox())
    page = Blueprint("page", __name__)
    page.add_url_rule("/", "index", lambda: "page")
    wide = ListenerLimits(threads=64, body=body_limit(SENDERS), **limits)
    hooks_listener = Listener(create_webhook_app(inputs, well), "127.0.0.1", 0, wide)
    page_listener = Listener(create_page_app(page, well), "127.0.0.1", 0)
    ports = {"hooks": hooks_listener.start()[1], "page": page_listener.start()[1]}
    if more_files:
        _allow_files(len(list(Path("/proc/self/fd").iterdir())) + more_files)
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    hooks_listener.stop(1)
    page_listener.stop(1)


def _allow_files(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
