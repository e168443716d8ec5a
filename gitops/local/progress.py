"""What a person who waits is told: a ticking line on a terminal, one line at each end of a step elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """Shows that `title` is going on and, at its end, how long it took or that it failed."""
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


def duration(seconds: float) -> str:
    """`0.4 s`, `41 s`, `3 min 20 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
