"""Output for a person who waits: steps with their duration, and lines that can be copied."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """Shows `title` while the step runs and its duration, or its failure, at the end. On a terminal the time ticks;
    elsewhere a line is printed at the begin and at the end.
    """
    begun = time.monotonic()
    if not console.is_terminal:
        console.print(f"{title} ...", highlight=False)
    try:
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as shown:
            shown.add_task(title, total=None)
            yield
    except BaseException:
        console.print(f"{title}: failed after {duration(time.monotonic() - begun)}", highlight=False)
        raise
    console.print(f"{title}: {duration(time.monotonic() - begun)}", highlight=False)


def print_lines(console: Console, lines: Iterable[str]) -> None:
    """Prints lines unwrapped, so that they can be copied, and without markup."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`0.4 s`, `41 s`, `3 min 20 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
