"""`lockstep` and `python -m gitops`: starts one command, with only the imports that it needs."""

import gc
import os
import sys
from typing import TYPE_CHECKING

from gitops.core.errors import GitopsError

if TYPE_CHECKING:
    import typer


def main() -> None:
    """Runs one command. Exit code 0 = done, 1 = differences or a refusal by the rules, 2 = an error, in words."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # noqa: TID251 - code of other packages must not see our models
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        gc.disable()  # modules stay: the collector need not look at them, now or later
        app = _import_command(verb)
        gc.freeze()
        gc.enable()
        app()
    except GitopsError as error:
        sys.stderr.write(f"lockstep: {error.reason}: {error}\n")
        sys.exit(2)


def _import_command(verb: str) -> "typer.Typer":
    """Git hooks run the offline commands, and a controller restarts: the imports of all others would cost a second."""
    from gitops.cli.typer_app import single  # noqa: PLC0415

    match verb:
        case "check":
            from gitops.cli.check import check  # noqa: PLC0415

            return single(check)
        case "parity":
            from gitops.cli.parity import parity  # noqa: PLC0415

            return single(parity)
        case "init":
            from gitops.cli.init import init  # noqa: PLC0415

            return single(init)
        case "run":
            from gitops.cli.run import run  # noqa: PLC0415

            return single(run)
        case _:
            from gitops.cli.main import app  # noqa: PLC0415

            return app


if __name__ == "__main__":
    main()
