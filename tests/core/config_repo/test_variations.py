"""The form of a variation."""

import pytest
from pydantic import ValidationError

from gitops.core.config_repo.variations import ObjectPattern, Variation, ViolationSeverity


def test_variation_defaults() -> None:
    found = Variation(field="/spec/replicas")
    assert (found.severity, found.kinds, found.objects, found.environments, found.names) == (
        ViolationSeverity.FORBID,
        (),
        (),
        (),
        (),
    )
    assert (found.value_schema, found.format, found.preset, found.required, found.distinct) == (
        None,
        None,
        None,
        (),
        (),
    )


def test_variation_schema_has_its_name_in_the_file() -> None:
    found = Variation.model_validate({"field": "/spec/replicas", "schema": {"type": "integer"}})
    assert found.value_schema == {"type": "integer"}


@pytest.mark.parametrize(
    "subject",
    [
        {"field": "/data/*"},
        {"objects": (ObjectPattern(kind="Ingress", name="*"),)},
        {"preset": "standard"},
    ],
)
def test_variation_subjects(subject: dict[str, object]) -> None:
    assert Variation.model_validate(subject)


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        ({"name": "nothing"}, "needs a field, objects or a preset"),
        ({"field": "spec.replicas"}, "must be a JSON pointer"),
        ({"field": "/a", "format": "toml"}, "Input should be"),
        ({"field": "/a", "fields": ["/b"]}, "Extra inputs"),
    ],
)
def test_variation_errors(variation: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Variation.model_validate(variation)
