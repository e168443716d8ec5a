"""Patterns of fields: a JSON pointer (RFC 6901) in which `*` is one segment and `**` any number of segments, or none.

A pattern covers the fields that it names and everything below them. List items are named as in core.ownership.fields.
"""

import re
from dataclasses import dataclass, field

from gitops.core.ownership import fields


@dataclass(frozen=True, slots=True)
class FieldPattern:
    """`text`: the pattern as written in pipeline.yaml."""

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_expression", _compile(self.text))

    def covers(self, path: str) -> bool:
        return self._expression.match(path) is not None

    def matched_field(self, path: str) -> str | None:
        """The path of the field that the pattern names: `path` itself or one above it. None if it is not covered."""
        found = self._expression.match(path)
        return found.group() if found else None

    def common_depth(self, path: str) -> int:
        """The number of leading segments of the path that the pattern matches; people call a high number near."""
        ours, theirs = self.text.split("/")[1:], path.split("/")[1:]
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
            if mine not in {"*", "**", other}:
                return number
        return min(len(ours), len(theirs))


def one_line_pattern(path: str) -> str:
    """A pattern for the path on one line: `*` replaces segments with a line break or another unprintable character."""
    return "/".join(segment if segment.isprintable() else "*" for segment in path.split("/"))


def _compile(pointer: str) -> re.Pattern[str]:
    parts = [_expression_of(segment) for segment in pointer.split("/")[1:]]
    return re.compile("".join(parts) + r"(?=/|\Z)")


def _expression_of(segment: str) -> str:
    if segment == "**":
        return r"(?:/[^/]*)*"
    if segment == "*":
        return r"/[^/]*"
    return re.escape(fields.child("", fields.last_name(f"/{segment}")))
