"""Regular expressions that people write into a config repo: tag patterns, JSON Schemas.

RE2 finds in a time that is linear in the text, whatever the expression is, where Python's own engine can take for ever
on 30 characters and keeps everybody else waiting. The price: no look-around and no back-references.
https://github.com/google/re2/wiki/Syntax
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


def require(expression: str) -> None:
    """Raises: ValueError with what is wrong with it."""
    import re2  # noqa: PLC0415 - the engine is a tenth of the start of a check that needs none

    try:
        _compiled(expression)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if error.args and isinstance(error.args[0], bytes) else error
        raise ValueError(f"is not a regular expression of RE2 (no look-around, no back-references): {said}") from None


def groups(expression: str) -> int:
    """How many groups a valid expression has."""
    return int(_compiled(expression).groups)


def is_in(expression: str, text: str) -> bool:
    """True when a valid expression matches anywhere in the text."""
    return _compiled(expression).search(text) is not None


@lru_cache(maxsize=4096)  # a registry repeats itself
def whole(expression: str, text: str) -> Sequence[str | None] | None:
    """The groups of a valid expression that matches the whole text, None when it does not."""
    match = _compiled(expression).fullmatch(text)
    return None if match is None else match.groups()


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    import re2  # noqa: PLC0415 - see require

    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)
