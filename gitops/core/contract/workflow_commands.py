"""Findings as workflow commands, which GitHub, Gitea and Forgejo show beside the line that they are about.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from gitops.core.errors import Place


def annotation(message: str, place: Place, *, is_error: bool) -> str:
    """One line. What the message holds can start no command of its own: its line ends are escaped."""
    line = f",line={place.line}" if place.line is not None else ""
    level = "error" if is_error else "warning"
    return f"::{level} file={_property(place.file)}{line}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
