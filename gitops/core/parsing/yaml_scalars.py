"""The values of plain YAML scalars, as Go's YAML libraries read them.

YAML 1.1 booleans, Go's integers, no timestamps, no base-60 numbers: https://github.com/yaml/go-yaml/blob/v2.4.3/resolve.go
"""

import math
import re
from collections.abc import Mapping
from typing import Any

_WORDS: Mapping[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_WORDS_OF_YAML_1_1 = frozenset(word for word in _WORDS if word.lower() in {"y", "yes", "on", "n", "no", "off"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t]|$)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]{1,16})|0[bB](?P<binary>[01]{1,64})|0[oO]?(?P<octal>[0-7]{1,22})"
    r"|(?P<decimal>0|[1-9][0-9]{0,19}))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}


def resolve(text: str) -> Any:
    """The value that kubectl reads from a plain scalar: None, bool, int, float, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in "+-.0123456789":
        return text
    plain = text.replace("_", "") if text[0] != "." else text
    number = _parse_integer(plain)
    if number is not None:
        return number
    if _FLOAT.fullmatch(plain):
        return _parse_float(plain)
    return text


def resolve_in_plugins(text: str) -> Any:
    """The value that kustomize reads from a plain scalar of a plugin config: there `on`, `yes` and `no` are text.

    Raises: ValueError for a date: kustomize reads it as text in some fields and as a time in others.

    https://github.com/yaml/go-yaml/blob/v3.0.1/resolve.go
    """
    if _DATE.match(text):
        raise ValueError("a date without quotes is text to some programs and a time to others: put it in quotes")
    return text if text in _WORDS_OF_YAML_1_1 else resolve(text)


def _parse_integer(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    if match is None or match.lastgroup is None:
        return None
    number = int(match["sign"] + match[match.lastgroup], _BASES[match.lastgroup])
    return number if -(1 << 63) <= number < 1 << 64 else None


def _parse_float(text: str) -> float | int:
    """Turns whole floats into integers: `1e3` reaches the API server as 1000, as it does from kubectl."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 1e21 else number
