"""Configuration files inside an object, taken apart: `spring.datasource.url` of an application.yml in a ConfigMap."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from gitops.core.errors import Rejected
from gitops.core.parsing import yaml_reader

Format = Literal["yaml", "properties", "env"]

_LINE = re.compile(r"\s*(?P<key>(?:\\.|[^\s:=\\])+)\s*[:=\s]\s*(?P<value>.*)")
_VARIABLE = re.compile(r"\s*(?:export\s+)?(?P<key>[A-Za-z_][\w.-]*)\s*=\s*(?P<value>.*)")


def parse(text: str, form: Format) -> dict[str, Any]:
    """Settings by their dotted names, list items as `name[0]`: nested and flat ways to write one name are the same.

    Raises: Rejected(UnreadableSettings) with the line; no value is quoted.
    """
    if form == "yaml":
        return dict(_flat(_yaml(text), ""))
    return dict(_lines(text, _LINE if form == "properties" else _VARIABLE))


def _yaml(text: str) -> Any:
    try:
        documents = yaml_reader.documents(text.encode(), "settings", yaml_reader.YamlLimits(documents=32))
    except Rejected as error:
        line = f"line {error.place.line}: " if error.place and error.place.line else ""
        raise Rejected("UnreadableSettings", f"{line}{error.message}") from None
    values = [document.value for document in documents]
    return values[0] if len(values) == 1 else dict(enumerate(values))


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _flat(member, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _flat(item, f"{name}[{number}]")
    elif name:
        yield name, value
    elif value not in ({}, [], None):
        raise Rejected("UnreadableSettings", "is one plain value, not a mapping of settings")


def _lines(text: str, shape: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", text)
    for number, line in enumerate(joined.splitlines(), 1):
        if not line.strip() or line.lstrip()[0] in "#!;":
            continue
        found = shape.fullmatch(line)
        if found is None:
            raise Rejected("UnreadableSettings", f"line {number}: is no setting (name=value)")
        yield found["key"].replace("\\", ""), found["value"].strip().strip("\"'")
