"""The same values as the pages, as JSON: field names as keys, times as RFC 3339 in UTC, enumerations as their words."""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from gitops.status_page.texts.language import machine


def plain(value: object) -> Any:
    """Frozen dataclasses, tuples, mappings and scalars -> what json.dumps takes. Properties are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, datetime):
        return machine(value)
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(held) for key, held in value.items()}
    return [plain(held) for held in value] if isinstance(value, (tuple, list)) else value


def text(value: object) -> str:
    """Indented for people with curl; a line break at the end."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"
