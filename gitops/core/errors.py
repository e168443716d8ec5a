"""Errors, named by what the caller does next.

| error         | what mends it            | what the caller does                                  |
|---------------|--------------------------|-------------------------------------------------------|
| `Rejected`    | a person, by a new input | report it; keep the last good state; do not retry     |
| `Conflict`    | reading again            | read and decide again, at once                        |
| `Unavailable` | time                     | try again with backoff, after `retry_after` if given  |

Adapters translate the errors of their libraries into these. Any other exception is a bug.
No message holds a secret value, a credential or a URL with user information.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Position of an error: a path in the config repo (or another named source), and a line counted from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class GitopsError(Exception):
    """`reason` is a CamelCase word for conditions and metrics. `message` is a sentence for people."""

    def __init__(self, reason: str, message: str, *, place: Place | None = None) -> None:
        super().__init__(message if place is None else f"{place}: {message}")
        self.reason = reason
        self.message = message
        self.place = place


class Rejected(GitopsError):
    """The input is wrong until a person changes it."""


class Conflict(GitopsError):
    """The state that a decision was based on has changed: the branch head, a resourceVersion, an inventory."""


class Unavailable(GitopsError):
    """A party did not answer in time. `retry_after`: seconds, if the party named them."""

    def __init__(
        self, reason: str, message: str, *, place: Place | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason, message, place=place)
        self.retry_after = retry_after
