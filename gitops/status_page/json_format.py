"""The views as JSON: field names are the keys, times are RFC 3339 in UTC, enumerations are their words."""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from gitops.status_page.texts.language import machine


def to_plain(value: object) -> Any:
    """Converts dataclasses, tuples, mappings and scalars into the types of json.dumps. Properties are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: to_plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, datetime):
        return machine(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_plain(each) for key, each in value.items()}
    return [to_plain(each) for each in value] if isinstance(value, (tuple, list)) else value


def to_json(value: object) -> str:
    """Indented, for people who read it with curl; ends with a line break."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False) + "\n"
