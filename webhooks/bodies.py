"""Bytes of a stranger -> checked values. Everything that is wrong is Rejected(MalformedDelivery); nothing else escapes.

Strict on purpose (RFC 8259 leaves these open, and parsers disagree about them): UTF-8 without a byte order mark, one
object at the top, no key twice, no NaN or Infinity, no number beyond a double, no lone surrogate, no NUL.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gitops.core.errors import Rejected

STRICT = ConfigDict(strict=True, frozen=True, extra="ignore")
"""Configuration of every model of a delivery: no conversions, unknown fields pass."""

_MOST_DIGITS = 20
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
_SENDERS_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# No registry did exist before the one, and nobody who lives will push after the other.
EARLIEST = datetime(2016, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"20\d\d-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)

_Model = TypeVar("_Model", bound=BaseModel)


def malformed(why: str) -> Rejected:
    return Rejected("MalformedDelivery", why)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises: Rejected(MalformedDelivery)."""
    try:
        text = body.decode("utf-8")
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except UnicodeDecodeError as error:
        raise malformed(f"the body is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise malformed("the body is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise malformed(f"the body is not JSON: {error.msg} at character {error.pos}") from error
    if not isinstance(document, dict):
        raise malformed(f"the body is not a JSON object but {_kind(document)}")
    if _SUSPICIOUS_ESCAPE.search(body):
        _refuse_unwritable(document)
    return document


def read(model: type[_Model], document: Any) -> _Model:
    """The fields that `model` asks for. Raises: Rejected(MalformedDelivery) naming each field that is wrong."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        wrong = [f"{_location(found['loc'])}: {found['msg']}" for found in error.errors(include_input=False)[:5]]
        raise malformed("; ".join(wrong)) from error


def moment(field: str, text: str) -> datetime:
    """A time by RFC 3339, in UTC. Raises: Rejected(MalformedDelivery) naming the field."""
    try:
        found = datetime.fromisoformat(text.upper()) if _RFC3339.fullmatch(text) else None
        if found is not None and EARLIEST <= found < LATEST:
            return found.astimezone(UTC)
    except ValueError:
        pass
    raise malformed(f"{field} {quoted(text)} is not a moment between 2016 and 2100 by RFC 3339")


def senders_id(text: str | None) -> str | None:
    """A sender's own id of a delivery if it can stand in a log line, else None."""
    return text if text is not None and _SENDERS_ID.fullmatch(text) else None


def fingerprint(body: bytes) -> str:
    """The id of a delivery whose sender gave none: equal for every attempt to send the same body."""
    return f"body-{hashlib.sha256(body).hexdigest()[:24]}"


def quoted(text: str) -> str:
    """A stranger's text for a sentence: one printable ASCII line of at most 120 characters."""
    return ascii(text[:100])[:120]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise malformed(f"the key {quoted(key)} stands twice in one object")
            seen.add(key)
    return found


def _constant(name: str) -> float:
    raise malformed(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise malformed(f"a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise malformed(f"the number {quoted(digits)} is beyond every float")
    return number


def _refuse_unwritable(document: dict[str, Any]) -> None:
    """Looks at every string: what was an escape in the text may be a surrogate pair, or an escaped backslash."""
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and ("\0" in value or not _is_writable(value)):
            raise malformed("a text holds NUL or half of a surrogate pair")


def _is_writable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _location(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc) or "the body"


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
