"""Authentication of a delivery: pure functions over bytes, in constant time. Several secrets allow a rotation.

Header names are lower case. The server joins a repeated header with a comma (RFC 9110, 5.3), so it matches no secret.
A sender without any secret is never authentic. SHA-1 signatures are never accepted.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

UNAUTHENTICATED_BYTES = 64 * 1024
"""The largest body that is read from a sender whose headers show neither a signature nor a secret."""

_HEX = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `at` is its arrival in seconds since 1970."""

    headers: Mapping[str, str]
    body: bytes
    at: float


class Scheme(Protocol):
    """One way to authenticate a sender. Thread-safe, without state."""

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        """True if the request was made with one of the secrets."""

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """True if the headers hold a well-formed signature, right or wrong. Called before the body is read."""

    def is_bearer(self, secrets: Callable[[], Sequence[bytes]], headers: Mapping[str, str]) -> bool:
        """Before the body is read: True if a header holds one of the secrets. `secrets` reads files, so it is called
        only when the header is present.
        """


@dataclass(frozen=True, slots=True)
class Bearer:
    """The secret itself stands in a header.

    Harbor: https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/
    GitLab: https://docs.gitlab.com/user/project/integrations/webhooks/
    """

    header: str

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        return self.is_bearer(lambda: secrets, request.headers)

    def is_signed(self, _headers: Mapping[str, str]) -> bool:
        return False

    def is_bearer(self, secrets: Callable[[], Sequence[bytes]], headers: Mapping[str, str]) -> bool:
        given = header_bytes(headers.get(self.header))
        return bool(given) and matches_any([given], [secret for secret in secrets() if secret])


@dataclass(frozen=True, slots=True)
class Signature:
    """HMAC-SHA256 over the raw body, in hex behind a prefix.

    `signs_payload`: of a form body the sender signs only the value of the field `payload`. The field is extracted from
    forms up to UNAUTHENTICATED_BYTES only, because extracting costs many times the body's size in memory before the
    sender is authenticated. For a larger form the signature must match the raw body.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """

    header: str
    prefix: bytes = b""
    signs_payload: bool = False

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        if not self.is_signed(request.headers):
            return False
        signed = _read_signed_payload(request) if self.signs_payload else request.body
        expected = [self.prefix + _hex(secret, signed) for secret in secrets if secret]
        return matches_any([header_bytes(request.headers.get(self.header))], expected)

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        given = header_bytes(headers.get(self.header))
        return given.startswith(self.prefix) and _HEX.fullmatch(given, len(self.prefix)) is not None

    def is_bearer(self, _secrets: Callable[[], Sequence[bytes]], _headers: Mapping[str, str]) -> bool:
        return False


def header_bytes(given: str | None) -> bytes:
    """The bytes of a header as sent: WSGI decodes headers as Latin-1 (PEP 3333). Empty for None."""
    try:
        return b"" if given is None else given.encode("latin-1")
    except UnicodeEncodeError:
        return b""


def matches_any(given: Iterable[bytes], expected: Sequence[bytes]) -> bool:
    """True if a given value equals an expected one. All pairs are compared, so the time does not reveal which matched;
    an empty given value matches nothing.
    """
    return sum(hmac.compare_digest(each, other) for each in given if each for other in expected) > 0


def _hex(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).hexdigest().encode("ascii")


def _read_signed_payload(request: Request) -> bytes:
    """Gitea and Gogs sign the JSON inside a form; GitHub signs the form itself.

    https://github.com/go-gitea/gitea/blob/main/services/webhook/deliver.go
    """
    is_form = request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")
    if not is_form or len(request.body) > UNAUTHENTICATED_BYTES or not request.body.startswith(b"payload="):
        return request.body
    return unquote_to_bytes(request.body.removeprefix(b"payload=").replace(b"+", b" "))
