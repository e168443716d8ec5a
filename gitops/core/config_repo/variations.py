"""The declared differences: in which fields an environment may differ from base. Here is their form."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from gitops.core.parsing.models import StrictModel, require

Pointer = Annotated[str, require(re.compile(r"/.*"), "a JSON pointer, such as /spec/replicas")]


class ViolationSeverity(StrEnum):
    FORBID = "forbid"
    WARN = "warn"
    FREE = "free"


class ObjectPattern(StrictModel):
    kind: str
    name: str


class Variation(StrictModel):
    """One declared difference. `field` is a JSON pointer (RFC 6901) on the rendered object, `*` one segment, `**` any
    number; without it the object itself may be there. `severity` is what a broken rule costs. `names`: other
    environments, or their namespaces, that a value here names for a good reason.
    """

    name: str | None = None
    kinds: tuple[str, ...] = ()
    objects: tuple[ObjectPattern, ...] = ()
    field: Pointer | None = None
    value_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    required: tuple[str, ...] = ()
    distinct: bool | tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    format: Literal["yaml", "properties", "env"] | None = None
    names: tuple[str, ...] = ()
    preset: Literal["standard"] | None = None
    severity: ViolationSeverity = ViolationSeverity.FORBID

    @model_validator(mode="after")
    def _says_what(self) -> "Variation":
        if not (self.preset or self.field or self.objects):
            raise ValueError("needs a field, objects or a preset")
        return self
