"""Kubernetes quantities -> numbers."""

from decimal import Decimal

import pytest

from gitops.core.parsing import quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("-2", "-2"),
        ("1000m", "1"),
        ("5n", "0.000000005"),
        (".5", "0.5"),
        ("1Gi", "1073741824"),
        ("2k", "2000"),
        ("1e-3", "0.001"),
    ],
)
def test_quantity_value(text: str, value: str) -> None:
    assert quantities.parse(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("100m", "0.1"),
        ("1Gi", "1073741824"),
        ("1k", "1000"),
        ("1e3", "1000"),
        ("1E", "1e18"),
        ("1.5Gi", "1536Mi"),
        ("0", "0m"),
    ],
)
def test_quantities_that_are_equal(text: str, other: str) -> None:
    assert quantities.parse(text) == quantities.parse(other) is not None


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gi", "1.2.3", "0x10", "NaN", "1e9999999999", "١"])
def test_quantity_is_none_for_other_text(text: str) -> None:
    assert quantities.parse(text) is None
