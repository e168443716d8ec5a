"""The lockstep.yaml of a command: that of --config, else the one in this directory, else that of `lockstep local`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gitops.config import model
from gitops.config.model import Config
from gitops.runtime import logs
from gitops.runtime.clock import SystemClock
from gitops.runtime.logs import LogOutput

ConfigFile = Annotated[Path, typer.Option("--config", "-c", envvar="LOCKSTEP_CONFIG", help="Path of lockstep.yaml")]
DEFAULT = Path("lockstep.yaml")
_LOCAL = Path(".lockstep/lockstep.yaml")

CLOCK = SystemClock()


def load(config: Path) -> Config:
    """Reads and checks it. Raises: Rejected(InvalidConfiguration) with every mistake."""
    logs.configure(LogOutput(sys.stderr, "lockstep", "warning"))
    chosen = _LOCAL if config == DEFAULT and not config.exists() and _LOCAL.exists() else config
    return model.load(chosen, os.environ)  # noqa: TID251 - read once, here
