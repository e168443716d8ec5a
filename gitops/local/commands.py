"""`lockstep local ...`: a whole installation on this machine."""

import typer

app = typer.Typer(no_args_is_help=True)
