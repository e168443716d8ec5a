"""Regular expressions that people write into a config repo: tag patterns, JSON Schemas.

RE2 searches in time linear in the text. Python's own engine can run for hours on 30 characters and block all other
threads. RE2 has no look-around and no back-references.
https://github.com/google/re2/wiki/Syntax
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


def require(expression: str) -> None:
    """Raises: ValueError if the expression is not valid in RE2; the message says why."""
    import re2  # noqa: PLC0415 - importing RE2 is a tenth of the start-up of `lockstep check`

    try:
        _compile(expression)
    except re2.error as error:
        cause = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else error
        raise ValueError(f"is not a regular expression of RE2 (no look-around, no back-references): {cause}") from None


def groups(expression: str) -> int:
    """The number of groups in a valid expression."""
    return int(_compile(expression).groups)


def is_in(expression: str, text: str) -> bool:
    """True if a valid expression matches anywhere in the text."""
    return _compile(expression).search(text) is not None


@lru_cache(maxsize=4096)  # sweeps read the same tags again and again
def whole(expression: str, text: str) -> Sequence[str | None] | None:
    """The groups of a valid expression, if it matches the whole text; else None."""
    match = _compile(expression).fullmatch(text)
    return None if match is None else match.groups()


@lru_cache(maxsize=512)
def _compile(expression: str) -> Any:
    import re2  # noqa: PLC0415 - see require

    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)
