"""Patterns of fields: a JSON pointer (RFC 6901) in which `*` is one segment and `**` any number, none included.

A pattern covers the fields that it names and everything below them. Items of lists have the names that
`gitops.core.ownership.fields` gives them.
"""

import re
from dataclasses import dataclass, field

from gitops.core.ownership import fields


@dataclass(frozen=True, slots=True)
class Pattern:
    """`text` as it was written."""

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_expression", _compiled(self.text))

    def covers(self, path: str) -> bool:
        return self._expression.match(path) is not None

    def selected(self, path: str) -> str | None:
        """The path of the field that the pattern names, `path` itself or one above it; None when it is not covered."""
        found = self._expression.match(path)
        return found.group() if found else None

    def closeness(self, path: str) -> int:
        """How many leading segments of the path the pattern goes along with: what people would call near."""
        ours, theirs = self.text.split("/")[1:], path.split("/")[1:]
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
            if mine not in {"*", "**", other}:
                return number
        return min(len(ours), len(theirs))


def writable(path: str) -> str:
    """The path as a pattern on one line: `*` for segments that hold a line break or something else that is not seen."""
    return "/".join(segment if segment.isprintable() else "*" for segment in path.split("/"))


def segments(path: str) -> tuple[str, ...]:
    """The unescaped segments: `/metadata/labels/a~1b` is metadata, labels, a/b."""
    return tuple(fields.last_name(f"/{segment}") for segment in path.split("/")[1:])


def _compiled(pointer: str) -> re.Pattern[str]:
    parts = [_part(segment) for segment in pointer.split("/")[1:]]
    return re.compile("".join(parts) + r"(?=/|\Z)")


def _part(segment: str) -> str:
    if segment == "**":
        return r"(?:/[^/]*)*"
    if segment == "*":
        return r"/[^/]*"
    return re.escape(fields.child("", fields.last_name(f"/{segment}")))
