"""One way to make a Typer application: of one command, for __main__, or of all of them, for help and for the docs."""

from collections.abc import Callable

import typer


def single(command: Callable[..., None]) -> typer.Typer:
    """An application of one command that keeps its name: `lockstep check`, not `lockstep`."""
    app = several("")
    app.callback()(lambda: None)
    app.command()(command)
    return app


def several(description: str) -> typer.Typer:
    """An application without commands. A bug in a command prints Python's own traceback."""
    return typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=description or None
    )
