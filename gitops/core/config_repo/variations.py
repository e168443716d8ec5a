"""The section `variations` of pipeline.yaml: fields and objects in which an environment may differ from base."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from gitops.core.parsing.models import StrictModel, require

SettingsFormat = Literal["yaml", "properties", "env"]
Pointer = Annotated[str, require(re.compile(r"/.*"), "a JSON pointer, such as /spec/replicas")]


class ViolationSeverity(StrEnum):
    FORBID = "forbid"
    WARN = "warn"
    FREE = "free"


class ObjectPattern(StrictModel):
    kind: str
    name: str


class Variation(StrictModel):
    """One declared difference. `field`: a JSON pointer (RFC 6901) into the rendered object; `*` is one segment, `**`
    any number. Without `field` the whole object may exist or not. `severity`: the effect of a violation. `names`: other
    environments, or their namespaces, that a value here may name.
    """

    name: str | None = None
    kinds: tuple[str, ...] = ()
    objects: tuple[ObjectPattern, ...] = ()
    field: Pointer | None = None
    value_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    required: tuple[str, ...] = ()
    distinct: bool | tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    format: SettingsFormat | None = None
    names: tuple[str, ...] = ()
    preset: Literal["standard"] | None = None
    severity: ViolationSeverity = ViolationSeverity.FORBID

    @model_validator(mode="after")
    def _check_subject(self) -> "Variation":
        if not (self.preset or self.field or self.objects):
            raise ValueError("needs a field, objects or a preset")
        return self
