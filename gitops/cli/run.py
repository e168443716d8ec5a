"""`lockstep run`: the controller. It starts without the imports of the other commands, so that a restart is quick."""

import os
import resource
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gitops.app import wiring
from gitops.app.assembly import assemble
from gitops.cli.config_file import CLOCK, DEFAULT, ConfigFile, load
from gitops.config.model import Config
from gitops.runtime import logs
from gitops.runtime.logs import LogOutput
from gitops.web import apps, fd_limit
from webhooks.sender import Sender


def run(config: ConfigFile = DEFAULT) -> None:
    """Run the controller in the foreground, until SIGTERM or Ctrl-C."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no copy of a secret on any disk
    fd_limit.raise_limit()
    settings = load(config)
    senders = apps.senders(settings.senders, os.environ)  # noqa: TID251 - handed on, not read
    log = settings.log
    logs.configure(LogOutput(sys.stderr, settings.name, log.level, log.format, _read_secrets(settings, senders)))
    controller = assemble(settings, senders, _identity(), CLOCK)
    with stop_signal() as wait:
        controller.start()
        wait()
        controller.stop()


@contextmanager
def stop_signal() -> Iterator[Callable[[], None]]:
    """Yields a function that waits for SIGTERM or SIGINT. Signals that come before it is called count too.

    The kernel may deliver a signal to any thread, and Python runs its handler in the main thread, which may sleep. So
    the main thread reads from a socket that the signal itself writes to:
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


def _read_secrets(settings: Config, senders: Mapping[str, Sender]) -> logs.Secrets:
    access = wiring.access(settings.repo)
    passwords = [each.password.current() for each in settings.registries.values() if each.password]
    sources: list[Callable[[], Sequence[bytes]]] = [*(sender.secrets.read for sender in senders.values()), *passwords]
    return lambda: [
        *access.secret_forms(),
        *(value.decode("utf-8", "replace") for source in sources for value in source()),
    ]


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
