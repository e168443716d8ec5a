"""`registries` of lockstep.yaml: address and credentials of each registry that Lockstep asks."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gitops.config.fields import AnchoredPath, Duration, SecretSource, Section
from gitops.runtime.secret_files import SecretFiles

_MOST_PORTS = 65_535


def _require_port(found: str) -> str:
    """Returns `found`. Raises: ValueError for a port that is not from 1 to 65535."""
    port = found.rstrip("/").rpartition(":")[2]
    if port.isdigit() and not 0 < int(port) <= _MOST_PORTS and ":" in found:
        raise ValueError(f"{found!r}: a port is a number from 1 to {_MOST_PORTS}")
    return found


HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$"), AfterValidator(_require_port)]


class RegistryConfig(Section):
    """A registry that Lockstep asks. `url`: its API, by default https://<host>. `otherHosts`: hosts that it may refer
    to, such as a token server or the storage of its blobs.
    """

    kind: Literal["harbor", "oci"]
    url: (
        Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$"), AfterValidator(_require_port)]
        | None
    ) = None
    username: SecretSource | None = None
    password: SecretSource | None = None
    ca_file: AnchoredPath | None = None
    timeout: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(seconds=10)
    other_hosts: tuple[HostName, ...] = ()

    @model_validator(mode="after")
    def _require_both_or_neither(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("give both `username:` and `password:`, or neither for a public registry")
        return self

    def current_secrets(self) -> tuple[SecretFiles, ...]:
        """The user name and the password; empty for a public registry."""
        sources = [source for source in (self.username, self.password) if source is not None]
        return tuple(source.current() for source in sources)

    def missing(self) -> tuple[str, ...]:
        """The files and variables of this section that are empty or cannot be read."""
        absent = self.ca_file is not None and not self.ca_file.is_file()
        found = [missing for secrets in self.current_secrets() for missing in secrets.missing()]
        return (*found, *([f"file {self.ca_file}"] if absent else []))
