"""Parses request bodies into checked values. Every flaw raises Rejected(MalformedDelivery); nothing else is raised.

It is stricter than RFC 8259, which leaves these cases open so that parsers disagree: UTF-8 without a byte order mark,
one object at the top, no repeated key, no NaN or Infinity, no number beyond a double, no lone surrogate, no NUL.
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
"""Configuration of every payload model: no type conversions, unknown fields are ignored."""

_MOST_DIGITS = 20
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
_DELIVERY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Bounds for a plausible push time; a time outside of them is a wrong unit or a broken clock.
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
            object_pairs_hook=_build_object,
            parse_constant=_reject_constant,
            parse_int=_parse_integer,
            parse_float=_parse_number,
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
        _reject_invalid_characters(document)
    return document


def read(model: type[_Model], document: Any) -> _Model:
    """Validates `document` as `model`. Raises: Rejected(MalformedDelivery) naming the wrong fields, at most five."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        wrong = [f"{_location(found['loc'])}: {found['msg']}" for found in error.errors(include_input=False)[:5]]
        raise malformed("; ".join(wrong)) from error


def parse_time(field: str, text: str) -> datetime:
    """Parses an RFC 3339 time into UTC. Raises: Rejected(MalformedDelivery) naming the field."""
    try:
        found = datetime.fromisoformat(text.upper()) if _RFC3339.fullmatch(text) else None
        if found is not None and EARLIEST <= found < LATEST:
            return found.astimezone(UTC)
    except ValueError:
        pass
    raise malformed(f"{field} {quote(text)} is not an RFC 3339 time between 2016 and 2100")


def delivery_id(text: str | None) -> str | None:
    """The sender's own id of a delivery if it is safe in a log line, else None."""
    return text if text is not None and _DELIVERY_ID.fullmatch(text) else None


def fingerprint(body: bytes) -> str:
    """The id of a delivery whose sender sent none. Every attempt to send the same body has the same fingerprint."""
    return f"body-{hashlib.sha256(body).hexdigest()[:24]}"


def quote(text: str) -> str:
    """Quotes a sender's text for a message: one printable ASCII line of at most 120 characters."""
    return ascii(text[:100])[:120]


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise malformed(f"the key {quote(key)} is repeated in one object")
            seen.add(key)
    return found


def _reject_constant(name: str) -> float:
    raise malformed(f"{name} is not JSON")


def _parse_integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise malformed(f"a number has {len(digits)} digits; at most {_MOST_DIGITS} are allowed")
    return int(digits)


def _parse_number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise malformed(f"the number {quote(digits)} is too large")
    return number


def _reject_invalid_characters(document: dict[str, Any]) -> None:
    """Checks every string after decoding: the escape found in the raw text may be a valid surrogate pair, or only an
    escaped backslash.
    """
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and ("\0" in value or _has_surrogate(value)):
            raise malformed("a string holds NUL or half of a surrogate pair")


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _location(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc) or "the body"


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
