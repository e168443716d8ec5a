"""JSON Schema of values, by the jsonschema library. Nothing is ever fetched: a `$ref` to the outside is an error.

The library is imported when a schema is checked or asked: a check of files that were all seen before needs neither.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from gitops.core.errors import Place, Rejected
from gitops.core.pipeline import FILE

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_LONGEST = 200


class Schema:
    """`label` names the variation it belongs to.

    Raises: Rejected(InvalidPipeline) when `content` is no JSON Schema, unless it was `checked` before.
    """

    def __init__(self, label: str, content: dict[str, Any], *, checked: bool = False) -> None:
        self._content = content
        if not checked:
            _require_schema(label, content)

    def complaint(self, value: Any) -> str:
        """What is wrong with the value, in the library's words, which quote it; empty when it fits."""
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see the module's docstring

        try:
            error = next(self._validator.iter_errors(value), None)
        except Unresolvable:
            return "the schema refers to another one, which is not fetched: write it out"
        return error.message[:_LONGEST] if error else ""

    @cached_property
    def _validator(self) -> "Draft202012Validator":
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - see the module's docstring
        from referencing import Registry  # noqa: PLC0415

        return Draft202012Validator(self._content, registry=Registry())


def _require_schema(label: str, content: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see the module's docstring
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415

    try:
        Draft202012Validator.check_schema(content)
    except SchemaError as error:
        message = f"variation `{label}`: the schema is no JSON Schema: {error.message[:_LONGEST]}"
        raise Rejected("InvalidPipeline", message, place=Place(FILE)) from None
