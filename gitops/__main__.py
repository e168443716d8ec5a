"""`lockstep` and `python -m gitops`."""

import gc
import os
import sys

from gitops.core.errors import GitopsError


def main() -> None:
    """Runs one command. Exit code 0 = done, 1 = differences or a refusal by the rules, 2 = an error, in words."""
    try:
        _run()
    except GitopsError as error:
        sys.stderr.write(f"lockstep: {error.reason}: {error}\n")
        sys.exit(2)


def _run() -> None:
    """Imports the chosen command only. Commands that run in git hooks skip the clients of clusters and servers, and
    `run` skips what the other commands need: these imports cost a second each.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # noqa: TID251 - no plugin sees validated values
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    gc.disable()  # imported modules stay: the collector need not search them
    if verb == "check":
        from gitops.cli.check import app  # noqa: PLC0415
    elif verb == "parity":
        from gitops.cli.parity import app  # noqa: PLC0415
    elif verb == "init":
        from gitops.cli.init import app  # noqa: PLC0415
    elif verb == "run":
        from gitops.cli.run import app  # noqa: PLC0415
    else:
        from gitops.cli.main import app  # noqa: PLC0415
    gc.freeze()
    gc.enable()
    app()


if __name__ == "__main__":
    main()
