"""Who sent this? Pure answers over bytes, in constant time, for several secrets so that one can be rotated.

Header names are lower case. A header that came twice was joined with a comma by the server, as RFC 9110 5.3 asks,
and therefore matches nothing here. No secret at all means that nobody is authentic. SHA-1 is never accepted.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

STRANGERS_BYTES = 64 * 1024
"""What is read from somebody who has not shown any sign of being authentic."""

_HEX = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Request:
    """What came in, and when: seconds since 1970."""

    headers: Mapping[str, str]
    body: bytes
    at: float


class Scheme(Protocol):
    """One way to show who one is. Thread-safe, without state."""

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        """Whether one of the secrets was known to whoever sent this."""

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Before the body is read: whether there is a well-formed signature to verify, by whomever."""

    def is_bearer(self, secrets: Callable[[], Sequence[bytes]], headers: Mapping[str, str]) -> bool:
        """Before the body is read: whether the headers alone show one of the secrets. `secrets` looks at files, so it
        is asked only when there is something to compare.
        """


@dataclass(frozen=True, slots=True)
class Bearer:
    """The secret itself, verbatim, in a header.

    Harbor: https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/
    GitLab: https://docs.gitlab.com/user/project/integrations/webhooks/
    """

    header: str

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        return self.is_bearer(lambda: secrets, request.headers)

    def is_signed(self, _headers: Mapping[str, str]) -> bool:
        return False

    def is_bearer(self, secrets: Callable[[], Sequence[bytes]], headers: Mapping[str, str]) -> bool:
        given = raw(headers.get(self.header))
        return bool(given) and matches([given], [secret for secret in secrets() if secret])


@dataclass(frozen=True, slots=True)
class Signature:
    """HMAC-SHA256 over the raw body, in hex behind a prefix. `signs_payload`: of a form body only what its field
    `payload` holds was signed. It is taken out of small forms only, since that costs memory many times the body's size
    and a stranger asks for it; of a larger one nothing but the raw body can be authentic.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """

    header: str
    prefix: bytes = b""
    signs_payload: bool = False

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        if not self.is_signed(request.headers):
            return False
        signed = _payload(request) if self.signs_payload else request.body
        expected = [self.prefix + _hex(secret, signed) for secret in secrets if secret]
        return matches([raw(request.headers.get(self.header))], expected)

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        given = raw(headers.get(self.header))
        return given.startswith(self.prefix) and _HEX.fullmatch(given, len(self.prefix)) is not None

    def is_bearer(self, _secrets: Callable[[], Sequence[bytes]], _headers: Mapping[str, str]) -> bool:
        return False


def raw(given: str | None) -> bytes:
    """The bytes on the wire: WSGI hands headers over as Latin-1 (PEP 3333). Empty when there are none."""
    try:
        return b"" if given is None else given.encode("latin-1")
    except UnicodeEncodeError:
        return b""


def matches(given: Iterable[bytes], expected: Sequence[bytes]) -> bool:
    """Every pair is compared, so that the time does not tell which one matched. Nothing equals nothing."""
    return sum(hmac.compare_digest(each, other) for each in given if each for other in expected) > 0


def _hex(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).hexdigest().encode("ascii")


def _payload(request: Request) -> bytes:
    """Gitea and Gogs sign the JSON inside a form, GitHub the form.

    https://github.com/go-gitea/gitea/blob/main/services/webhook/deliver.go
    """
    is_form = request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")
    if not is_form or len(request.body) > STRANGERS_BYTES or not request.body.startswith(b"payload="):
        return request.body
    return unquote_to_bytes(request.body.removeprefix(b"payload=").replace(b"+", b" "))
