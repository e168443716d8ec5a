"""The values of an exchange with a registry: our access, a call, the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class RegistryCredentials(Protocol):
    """Reads the present credentials, so that a rotated secret counts at once."""

    def __call__(self) -> tuple[str, str] | None:
        """User name and password; None for a registry that anybody may read."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """`host` is the registry's name in manifests, `url` the address of its API. `other_hosts` holds each host[:port]
    that the registry may refer to. `seconds` bounds a whole request. `ca_file` (PEM) replaces the system's authorities.
    """

    host: str
    url: str
    credentials: RegistryCredentials = lambda: None
    ca_file: Path | None = None
    seconds: float = 10.0
    other_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RegistryCall:
    """A request. `about` names its object in messages. `url` may be relative to the registry's."""

    about: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryResponse:
    """An answer of any status. Header names are in lower case. `authorization` is the header that was sent for it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    authorization: str = field(default="", repr=False)
