"""JSON Schema: problems of a schema, complaints about a value."""

from typing import Any

import pytest

from gitops.core.contract.variations import json_schema


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"type": "integer", "minimum": 1}, ""),
        ({"type": "number of things"}, "the schema is not valid JSON Schema: "),
        ({"anyOf": [{"pattern": "(?=a)"}]}, "a pattern of the schema is not a regular expression of RE2"),
        ({"items": [{"patternProperties": {}}]}, "the schema is not valid JSON Schema: "),
        ({"not": {"patternProperties": {}}}, "a pattern of the schema stands in `patternProperties`"),
    ],
)
def test_problem_of_a_schema(content: dict[str, Any], problem: str) -> None:
    found = json_schema.find_problem(content)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("content", "value", "complaint"),
    [
        ({"type": "integer", "maximum": 5}, 5, ""),
        ({"type": "integer", "maximum": 5}, 6, "6 is greater than the maximum of 5"),
        ({"type": "integer"}, "6", "'6' is not of type 'integer'"),
        ({"pattern": "^a+$"}, "b", "'b' does not match '^a+$'"),
        ({"$ref": "http://127.0.0.1:1/x"}, 1, "the schema refers to another schema, which is not fetched"),
        ({"$ref": "#"}, 1, "the schema refers to itself without end"),
    ],
)
def test_complaint_about_a_value(content: dict[str, Any], value: object, complaint: str) -> None:
    found = json_schema.find_complaint(json_schema.build_validator(content), value)
    assert found.startswith(complaint)
    assert bool(found) == bool(complaint)


def test_complaint_is_cut() -> None:
    assert len(json_schema.find_complaint(json_schema.build_validator({"type": "integer"}), "x" * 10_000)) == 200
