"""What the sections of lockstep.yaml are made of."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel

from gitops.secrets import Secrets


def _anchored(path: Path, info: ValidationInfo) -> Path:
    """Relative paths count from the directory of lockstep.yaml."""
    return Path((info.context or {}).get("directory", "")) / path


AnchoredPath = Annotated[Path, AfterValidator(_anchored)]


class Section(BaseModel):
    """Fields are camelCase in YAML. Unknown ones are refused: a typo must not become a default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class SecretSource(Section):
    """Where a secret is: a file (re-read when it changes) or an environment variable, exactly one of the two."""

    file: AnchoredPath | None = None
    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    _variable: SecretStr = PrivateAttr(default=SecretStr(""))

    @model_validator(mode="after")
    def _one_of_two(self, info: ValidationInfo) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either `file:` or `env:`")
        if self.env is not None:
            self._variable = SecretStr((info.context or {}).get("environ", {}).get(self.env, ""))
        return self

    def current(self) -> Secrets:
        """The value of a variable is the one of when lockstep.yaml was read."""
        name = self.env or ""
        return Secrets(
            [self.file] if self.file else [],
            [name] if name else [],
            {name: self._variable.get_secret_value()},
        )
