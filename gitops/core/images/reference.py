"""References to container images, by the grammar of the OCI distribution spec and of docker's references.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
https://github.com/distribution/reference/blob/main/reference.go
"""

import re
from dataclasses import dataclass

from gitops.core.errors import Rejected

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?"
_NAME = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_NAME = 255


def is_name(text: str) -> bool:
    """True for a repository name with or without a registry host: `harbor.example:8443/project/app`."""
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """True for a sha256 digest. Registries in use produce no other algorithm."""
    return _DIGEST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class Image:
    """An image as a manifest or a kustomize `images` entry names it. `name` includes the registry host, if any."""

    name: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def identity(self) -> str:
        """The digest, or the whole reference if there is no digest."""
        return self.digest or str(self)

    @property
    def short_digest(self) -> str:
        """The first 12 hex digits of the digest; empty without one."""
        return self.digest.removeprefix("sha256:")[:12] if self.digest else ""


def parse(reference: str) -> Image:
    """`[host[:port]/]path[:tag][@digest]` -> Image.

    Raises: Rejected(InvalidImage) for anything outside the grammar.
    """
    rest, _, digest = reference.partition("@")
    head, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    name = f"{head}{slash}{last}"
    valid = (
        is_name(name)
        and (("@" not in reference) or is_digest(digest))
        and ((":" not in rest.rpartition("/")[2]) or is_tag(tag))
    )
    if not valid:
        raise Rejected("InvalidImage", f"{reference[:300]!r} is not an image reference (name[:tag][@sha256:digest])")
    return Image(name, tag or None, digest or None)
