"""Opens configuration files inside an object: `spring.datasource.url` of an application.yml in a ConfigMap.

A variation with `format` says which fields are such files. Their settings are then compared one by one.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

from gitops.core.config_repo.variations import SettingsFormat
from gitops.core.contract.comparison.shapes import ObjectShape
from gitops.core.contract.variations.rules import VariationRule
from gitops.core.errors import Rejected
from gitops.core.ownership import fields
from gitops.core.parsing import yaml_reader

ReportUnreadable = Callable[[str, VariationRule, str], None]
"""(path of a file that cannot be parsed, the rule that declares its format, the reason)."""

_LINE = re.compile(r"\s*(?P<key>(?:\\.|[^\s:=\\])+)\s*[:=\s]\s*(?P<value>.*)")
_VARIABLE = re.compile(r"\s*(?:export\s+)?(?P<key>[A-Za-z_][\w.-]*)\s*=\s*(?P<value>.*)")


def open_settings_files(
    shape: ObjectShape, rules: Collection[VariationRule], report: ReportUnreadable | None = None
) -> ObjectShape:
    """The shape with a leaf for each setting of such a file. A file that cannot be parsed stays one text."""
    readable = [rule for rule in rules if rule.format and rule.field]
    if not readable:
        return shape
    leaves = dict(each for path, value in shape.leaves.items() for each in _open(path, value, readable, report))
    return replace(shape, leaves=leaves)


def _open(
    path: str, value: Any, readable: Collection[VariationRule], report: ReportUnreadable | None
) -> Iterator[tuple[str, Any]]:
    rule = next((rule for rule in readable if rule.field and rule.field.matched_field(path) == path), None)
    if rule is None or rule.format is None or not isinstance(value, str):
        yield path, value
        return
    try:
        found = parse_settings(value, rule.format)
    except Rejected as error:
        if report:
            report(path, rule, error.message)
        yield path, value
        return
    yield from ((fields.child(path, name), each) for name, each in found.items())


def parse_settings(text: str, form: SettingsFormat) -> dict[str, Any]:
    """Settings by their dotted names, list items as `name[0]`; nested and flat spellings give the same names.

    Raises: Rejected(UnreadableSettings) with the line; no value is quoted.
    """
    if form == "yaml":
        return dict(_flatten(_parse_yaml(text), ""))
    return dict(_parse_lines(text, _LINE if form == "properties" else _VARIABLE))


def _parse_yaml(text: str) -> Any:
    try:
        documents = yaml_reader.documents(text.encode(), "settings", yaml_reader.YamlLimits(documents=32))
    except Rejected as error:
        line = f"line {error.place.line}: " if error.place and error.place.line else ""
        raise Rejected("UnreadableSettings", f"{line}{error.message}") from None
    values = [document.value for document in documents]
    return values[0] if len(values) == 1 else dict(enumerate(values))


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from _flatten(member, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _flatten(item, f"{name}[{number}]")
    elif name:
        yield name, value
    elif value not in ({}, [], None):
        raise Rejected("UnreadableSettings", "the file holds one plain value, not a mapping of settings")


def _parse_lines(text: str, line_form: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", text)
    for number, line in enumerate(joined.splitlines(), 1):
        if not line.strip() or line.lstrip()[0] in "#!;":
            continue
        found = line_form.fullmatch(line)
        if found is None:
            raise Rejected("UnreadableSettings", f"line {number} is not a setting: write name=value")
        yield found["key"].replace("\\", ""), found["value"].strip().strip("\"'")
