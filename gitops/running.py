"""`lockstep run`, apart from the other commands: what restarts does not wait until what they need is imported."""

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Mapping

import typer

from gitops import server, telemetry
from gitops.chosen_config import CLOCKS, DEFAULT, ConfigFile, load
from gitops.controller import Controller
from gitops.telemetry import Output
from webhooks.senders import Sender

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _commands() -> None:
    """With a callback the one command keeps its name."""


@app.command()
def run(config: ConfigFile = DEFAULT) -> None:
    """Run the controller in the foreground, until SIGTERM or Ctrl-C."""
    settings = load(config)
    doors = server.senders(settings.senders, os.environ)  # noqa: TID251 - handed on, not read
    log = settings.log
    telemetry.configure(Output(sys.stderr, settings.name, log.level, log.format, _known_secrets(doors)))
    controller = Controller(settings, doors, _identity(), CLOCKS)
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    controller.start()
    asked_to_stop.wait()
    controller.stop()


def _known_secrets(doors: Mapping[str, Sender]) -> telemetry.Secrets:
    return lambda: [value.decode("utf-8", "replace") for door in doors.values() for value in door.secrets()]


def _identity() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
