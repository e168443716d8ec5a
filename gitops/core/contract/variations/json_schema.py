"""JSON Schema (draft 2020-12) by the jsonschema library, with expressions matched by RE2. Nothing is ever fetched: a
`$ref` to the outside is an error.
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


def problem(content: dict[str, Any]) -> str:
    """Why the content is no schema that can be used here; empty when it is one."""
    try:
        Draft202012Validator.check_schema(content)
        for expression in _expressions(content):
            regex.require(expression)
    except SchemaError as error:
        return f"the schema is no JSON Schema: {error.message[:_LONGEST]}"
    except ValueError as error:
        return f"a pattern of the schema {error}"
    except RecursionError:
        return "the schema is nested too deep"
    return ""


def validator(content: dict[str, Any]) -> Any:
    """What `complaint` takes. `content` must have no `problem`."""
    return _Validator(content, registry=Registry())


def complaint(schema: Any, value: Any) -> str:
    """What is wrong with the value, in the library's words, which quote it; empty when it fits."""
    try:
        error = next(schema.iter_errors(value), None)
    except Unresolvable:
        return "the schema refers to another one, which is not fetched: write it out"
    except RecursionError:
        return "the schema refers to itself without an end"
    return error.message[:_LONGEST] if error else ""


def _expressions(part: Any) -> Iterator[str]:
    """Raises: ValueError for a keyword whose expressions the library would match itself."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            raise ValueError("stands in `patternProperties`, which is not supported: use `propertyNames`")
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _expressions(below)


def _pattern(_: Any, expression: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not regex.is_in(expression, value):
        yield ValidationError(f"{value!r} does not match {expression!r}")


_Validator = extend(Draft202012Validator, {"pattern": _pattern})
