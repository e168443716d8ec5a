"""The schema of a variation: a bad one is refused, and a value that does not fit is explained."""

import pytest

from gitops.core.errors import Rejected
from tests.worlds.surveys import check_alone, config, contract, deployment, survey_of


def test_schema_fetches_nothing() -> None:
    rules = contract("[{field: /spec/replicas, schema: {$ref: 'http://127.0.0.1:1/x'}}]")
    [violation] = survey_of(deployment("{replicas: 2}"), deployment("{replicas: 1}"), rules).violations
    assert "not fetched" in violation.why


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("{type: number of things}", "`r`: the schema is not valid JSON Schema"),
        ("{anyOf: [{pattern: '(?=a)'}]}", "`r`: a pattern of the schema is not a regular expression of RE2"),
        ("{patternProperties: {a: true}}", "`propertyNames`"),
    ],
)
def test_schema_that_is_invalid_is_rejected(schema: str, why: str) -> None:
    with pytest.raises(Rejected) as caught:
        contract(f"[{{name: r, field: /spec/replicas, schema: {schema}}}]")
    assert caught.value.reason == "InvalidPipeline"
    assert why in caught.value.message


def test_schema_that_refers_to_itself_ends() -> None:
    rules = contract("[{name: r, field: /data/A, schema: {$ref: '#'}}]")
    found = survey_of(config(A="b"), config(A="a"), rules).violations
    assert ["refers to itself without end" in each.why for each in found] == [True]


def test_schema_with_a_pattern_that_python_would_never_finish() -> None:
    rules = contract("[{name: r, field: /data/A, schema: {pattern: '^(a+)+$'}}]")
    assert check_alone(config(A="a" * 10_000), config(A="a"), rules) == []
    assert check_alone(config(A="a" * 10_000 + "b"), config(A="a"), rules) == [("OutOfSchema", "forbid", "/data/A")]
