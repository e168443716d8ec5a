"""Formats findings as workflow commands, which GitHub, Gitea and Forgejo Actions show beside the line of the file.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from gitops.core.errors import Place


def format_annotation(message: str, place: Place, *, is_error: bool) -> str:
    """One line. Line ends in the message are escaped, so the message cannot start a command of its own."""
    line = f",line={place.line}" if place.line is not None else ""
    level = "error" if is_error else "warning"
    return f"::{level} file={_escape_property(place.file)}{line}::{_escape(message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
