"""What can go wrong, named by what happens next.

| error         | who can mend it          | what the caller does                                  |
|---------------|--------------------------|-------------------------------------------------------|
| `Rejected`    | a person, by a new input | report it; keep the last good state; never retry hot  |
| `Conflict`    | nobody needs to          | read again and decide again, at once                  |
| `Unavailable` | time                     | try again with backoff, after `retry_after` if given  |

Adapters translate the errors of their libraries into these at their border; anything else that escapes is a bug.
No message ever holds a secret value, a credential or a URL with user information.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where an input is wrong: a path within the config repo (or another named source) and a line, counted from 1."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class GitopsError(Exception):
    """`reason` is a CamelCase word for conditions and metrics, `message` a sentence for people."""

    def __init__(self, reason: str, message: str, *, place: Place | None = None) -> None:
        super().__init__(message if place is None else f"{place}: {message}")
        self.reason = reason
        self.message = message
        self.place = place


class Rejected(GitopsError):
    """The input is wrong and stays wrong until somebody changes it."""


class Conflict(GitopsError):
    """What the decision was based on has moved: the branch head, a resourceVersion, an inventory."""


class Unavailable(GitopsError):
    """A party did not answer, or not in time. `retry_after` is in seconds, when the party said so."""

    def __init__(
        self, reason: str, message: str, *, place: Place | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason, message, place=place)
        self.retry_after = retry_after
