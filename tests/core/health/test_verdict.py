"""Helpers of health rules: literal bodies, with every field that may be missing."""

from typing import Any

import pytest

from gitops.core.health import verdict
from gitops.core.health.verdict import Health

READY = {"type": "Ready", "status": "True", "reason": "Up", "message": "up"}


def with_conditions(*conditions: Any) -> dict[str, Any]:
    return {"status": {"conditions": list(conditions)}}


def test_health_is_ordered_worst_last() -> None:
    assert [str(each) for each in sorted(Health)] == [
        "Healthy",
        "Suspended",
        "Progressing",
        "Missing",
        "Degraded",
        "Unknown",
    ]


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        ({"a": {"b": {"c": 1}}}, ("a", "b"), {"c": 1}),
        ({"a": None}, ("a", "b"), {}),
        ({"a": [1]}, ("a",), {}),
        ({}, ("a",), {}),
    ],
)
def test_section(body: dict[str, Any], path: tuple[str, ...], expected: dict[str, Any]) -> None:
    assert verdict.section(body, *path) == expected


@pytest.mark.parametrize(("value", "expected"), [(3, 3), ("3", 3), ("three", 7), (None, 7), (-1, -1)])
def test_number(value: object, expected: int) -> None:
    assert verdict.number({"n": value}, "n", 7) == expected


@pytest.mark.parametrize(
    ("body", "is_true", "is_false"),
    [
        (with_conditions(READY), True, False),
        (with_conditions({"type": "Ready", "status": "False"}), False, True),
        (with_conditions({"type": "Ready", "status": "Unknown"}), False, False),
        (with_conditions(None, {}), False, False),
        ({"status": {"conditions": {}}}, False, False),
        ({}, False, False),
    ],
)
def test_condition_status(body: dict[str, Any], *, is_true: bool, is_false: bool) -> None:
    assert (verdict.is_true(body, "Ready"), verdict.is_false(body, "Ready")) == (is_true, is_false)


@pytest.mark.parametrize(("found", "expected"), [(READY, "up"), ({"reason": "Up"}, "Up"), ({}, "")])
def test_words_of_a_condition(found: dict[str, str], expected: str) -> None:
    assert verdict.words(found) == expected


@pytest.mark.parametrize(
    ("generation", "observed", "expected"),
    [(2, 1, "its controller has not seen generation 2 yet"), (2, 2, ""), (2, "2", ""), (None, None, "")],
)
def test_unobserved_generation(generation: object, observed: object, expected: str) -> None:
    body = {"metadata": {"generation": generation}, "status": {"observedGeneration": observed}}
    assert verdict.unobserved(body) == expected
