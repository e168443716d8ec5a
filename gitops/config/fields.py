"""Types of fields that several sections of lockstep.yaml use: paths, durations, secrets."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from gitops.runtime.secret_files import SecretFiles

_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _parse_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a number and a unit: 500ms, 2.5s, 5m, 1h or 1d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def _anchor(path: Path, info: ValidationInfo) -> Path:
    """A relative path starts at the directory of lockstep.yaml."""
    return Path((info.context or {}).get("directory", "")) / path


AnchoredPath = Annotated[Path, AfterValidator(_anchor)]
Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["2.5s", "5m"]}),
]


class Section(BaseModel):
    """A section of lockstep.yaml. Fields are camelCase in YAML. Unknown fields are refused: a typo must not become a
    default.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class SecretSource(Section):
    """The place of a secret: either a file (read again when it changes) or an environment variable."""

    file: AnchoredPath | None = None
    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    _variable: SecretStr = PrivateAttr(default=SecretStr(""))

    @model_validator(mode="after")
    def _require_one_of_two(self, info: ValidationInfo) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either `file:` or `env:`")
        if self.env is not None:
            self._variable = SecretStr((info.context or {}).get("environ", {}).get(self.env, ""))
        return self

    def current(self) -> SecretFiles:
        """The secret. A variable keeps the value that it had when lockstep.yaml was read."""
        name = self.env or ""
        return SecretFiles(
            [self.file] if self.file else [],
            [name] if name else [],
            {name: self._variable.get_secret_value()},
        )
