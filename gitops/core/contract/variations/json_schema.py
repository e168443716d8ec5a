"""JSON Schema (draft 2020-12) by the jsonschema library, with expressions matched by RE2.

Nothing is fetched: a `$ref` to another document is an error.
"""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from gitops.core.parsing import regex

_LONGEST = 200


def find_problem(content: dict[str, Any]) -> str:
    """The reason why the content cannot be used as a schema; empty if it can."""
    try:
        Draft202012Validator.check_schema(content)
        for expression in _expressions(content):
            regex.require(expression)
    except SchemaError as error:
        return f"the schema is not valid JSON Schema: {error.message[:_LONGEST]}"
    except ValueError as error:
        return f"a pattern of the schema {error}"
    except RecursionError:
        return "the schema is nested too deeply"
    return ""


def build_validator(content: dict[str, Any]) -> Any:
    """The validator that `find_complaint` takes. `content` must have no problem."""
    return _Validator(content, registry=Registry())


def find_complaint(validator: Any, value: Any) -> str:
    """The reason why the value does not fit, in the library's words, which quote it; empty if it fits."""
    try:
        error = next(validator.iter_errors(value), None)
    except Unresolvable:
        return "the schema refers to another schema, which is not fetched: write that schema out here"
    except RecursionError:
        return "the schema refers to itself without end"
    return error.message[:_LONGEST] if error else ""


def _expressions(part: Any) -> Iterator[str]:
    """Every regular expression of the schema. Raises: ValueError for a keyword that the library would match itself."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            raise ValueError("stands in `patternProperties`, which is not supported: use `propertyNames`")
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _expressions(below)


def _match_pattern(_: Any, expression: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not regex.is_in(expression, value):
        yield ValidationError(f"{value!r} does not match {expression!r}")


_Validator = extend(Draft202012Validator, {"pattern": _match_pattern})
