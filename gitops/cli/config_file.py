"""The lockstep.yaml that a command works with: the one that is named, else the one here, else `lockstep local`'s."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gitops.config import model as configuration
from gitops.config.model import Config
from gitops.runtime import logs as telemetry
from gitops.runtime.clock import SystemClock
from gitops.runtime.logs import LogOutput

ConfigFile = Annotated[Path, typer.Option("--config", "-c", envvar="LOCKSTEP_CONFIG", help="lockstep.yaml")]
DEFAULT = Path("lockstep.yaml")
_LOCAL = Path(".lockstep/lockstep.yaml")

CLOCK = SystemClock()


def load(config: Path) -> Config:
    """Raises: Rejected(InvalidConfiguration) with every mistake."""
    telemetry.configure(LogOutput(sys.stderr, "lockstep", "warning"))
    chosen = _LOCAL if config == DEFAULT and not config.exists() and _LOCAL.exists() else config
    return configuration.load(chosen, os.environ)  # noqa: TID251 - read once, here
