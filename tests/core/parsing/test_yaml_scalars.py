"""Plain scalars -> values, as kubectl and kustomize read them."""

import math

import pytest

from gitops.core.parsing import yaml_scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("N", False),
        ("NULL", None),
        ("text", "text"),
        ("+7", 7),
        ("-0x10", -16),
        ("1__0", 10),
        ("1e400", math.inf),
        ("1e21", 1e21),
        ("18446744073709551616", 18446744073709551616),  # beyond 64 bits Go reads a float, here a whole one
        ("-9223372036854775809", -9223372036854775808),
        ("1.2.3", "1.2.3"),
        ("١", "١"),
    ],
)
def test_scalar_value(text: str, value: object) -> None:
    found = yaml_scalars.resolve(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(("text", "value"), [("on", "on"), ("No", "No"), ("true", True), ("~", None), ("1.50", 1.5)])
def test_scalar_value_in_plugin_configs(text: str, value: object) -> None:
    assert yaml_scalars.resolve_in_plugins(text) == value


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T08:00:00Z", "2026-1-1 1:1:1"])
def test_scalar_date_in_plugin_configs_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="put it in quotes"):
        yaml_scalars.resolve_in_plugins(text)
    assert yaml_scalars.resolve(text) == text
