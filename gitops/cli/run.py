"""`lockstep run`, apart from the other commands: what restarts does not wait until what they need is imported."""

import os
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import typer

from gitops.app import wiring as assembly
from gitops.app.assembly import assemble
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile, load
from gitops.config.model import Config
from gitops.runtime import logs as telemetry
from gitops.runtime.logs import LogOutput
from gitops.web import apps as server
from gitops.web import fd_limit as descriptors
from webhooks.sender import Sender

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """With a callback the one command keeps its name."""


@app.command()
def run(config: ConfigFile = DEFAULT) -> None:
    """Run the controller in the foreground, until SIGTERM or Ctrl-C."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no copy of a secret on any disk
    descriptors.raise_limit()
    settings = load(config)
    doors = server.senders(settings.senders, os.environ)  # noqa: TID251 - handed on, not read
    log = settings.log
    telemetry.configure(LogOutput(sys.stderr, settings.name, log.level, log.format, _known_secrets(settings, doors)))
    controller = assemble(settings, doors, _identity(), CLOCK)
    with asked_to_stop() as asked:
        controller.start()
        asked()
        controller.stop()


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], None]]:
    """Yields what waits for SIGTERM or SIGINT, from now on.

    The kernel may give a signal to any thread, and Python runs its handler in the main thread, which nothing wakes
    then. So the main thread reads what the signal itself writes:
    https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
    """
    reading, writing = socket.socketpair()
    with reading, writing:
        writing.settimeout(0)
        before = signal.set_wakeup_fd(writing.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        try:
            yield lambda: _await(reading)
        finally:
            signal.set_wakeup_fd(before)


def _await(reading: socket.socket) -> None:
    while reading.recv(1)[0] not in {signal.SIGTERM, signal.SIGINT}:
        pass  # another signal


def _known_secrets(settings: Config, doors: Mapping[str, Sender]) -> telemetry.Secrets:
    access = assembly.access(settings.repo)
    passwords = [each.password.current() for each in settings.registries.values() if each.password]
    sources: list[Callable[[], Sequence[bytes]]] = [*(door.secrets for door in doors.values()), *passwords]
    return lambda: [
        *access.secret_forms(),
        *(value.decode("utf-8", "replace") for source in sources for value in source()),
    ]


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
