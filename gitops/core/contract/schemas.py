"""JSON Schema of values, by the jsonschema library. Nothing is ever fetched: a `$ref` to the outside is an error."""

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from gitops.core.errors import Place, Rejected
from gitops.core.pipeline import FILE

_LONGEST = 200


class Schema:
    """Raises: Rejected(InvalidPipeline) when `content` is no JSON Schema; `label` names the variation it belongs to."""

    def __init__(self, label: str, content: dict[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(content)
        except SchemaError as error:
            message = f"variation `{label}`: the schema is no JSON Schema: {error.message[:_LONGEST]}"
            raise Rejected("InvalidPipeline", message, place=Place(FILE)) from None
        self._validator = Draft202012Validator(content, registry=Registry())

    def complaint(self, value: Any) -> str:
        """What is wrong with the value, in the library's words, which quote it; empty when it fits."""
        try:
            error = next(self._validator.iter_errors(value), None)
        except Unresolvable:
            return "the schema refers to another one, which is not fetched: write it out"
        return error.message[:_LONGEST] if error else ""
