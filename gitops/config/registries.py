"""`registries` of lockstep.yaml: how each registry is asked what it holds."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gitops.config.fields import AnchoredPath, Duration, SecretSource, Section
from gitops.runtime.secret_files import SecretFiles

_MOST_PORTS = 65_535


def _with_a_port(found: str) -> str:
    """Raises: ValueError for a port that no host has."""
    port = found.rstrip("/").rpartition(":")[2]
    if port.isdigit() and not 0 < int(port) <= _MOST_PORTS and ":" in found:
        raise ValueError(f"{found!r}: a port is a number from 1 to {_MOST_PORTS}")
    return found


HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$"), AfterValidator(_with_a_port)]


class RegistryConfig(Section):
    """How a registry is asked what it holds. `url`: where its API is, https://<host> unless said otherwise.
    `otherHosts`: what else may be spoken to on its word, such as a token server or the storage of its blobs.
    """

    kind: Literal["harbor", "oci"]
    url: (
        Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$"), AfterValidator(_with_a_port)] | None
    ) = None
    username: SecretSource | None = None
    password: SecretSource | None = None
    ca_file: AnchoredPath | None = None
    timeout: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(seconds=10)
    other_hosts: tuple[HostName, ...] = ()

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("give both `username:` and `password:`, or neither for a registry that anybody may read")
        return self

    def current_secrets(self) -> tuple[SecretFiles, ...]:
        """Of the user name and of the password; none of a registry that anybody may read."""
        sources = [source for source in (self.username, self.password) if source is not None]
        return tuple(source.current() for source in sources)

    def missing(self) -> tuple[str, ...]:
        absent = self.ca_file is not None and not self.ca_file.is_file()
        found = [missing for secrets in self.current_secrets() for missing in secrets.missing()]
        return (*found, *([f"file {self.ca_file}"] if absent else []))
