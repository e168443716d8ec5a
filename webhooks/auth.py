"""Who sent this? Pure answers over bytes, in constant time, for several secrets so that one can be rotated.

Header names are lower case. A header that came twice was joined with a comma by the server, as RFC 9110 5.3 asks,
and therefore matches nothing here. No secret at all means that nobody is authentic.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

_SIGNATURE = re.compile(rb"sha256=[0-9a-f]{64}")


def is_bearer(secrets: Iterable[bytes], headers: Mapping[str, str]) -> bool:
    """Harbor sends the configured string verbatim as Authorization.

    https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/
    """
    return _matches(headers.get("authorization"), [secret for secret in secrets if secret])


def is_signer(secrets: Iterable[bytes], headers: Mapping[str, str], body: bytes) -> bool:
    """GitHub signs the raw body, and so do Gitea and Forgejo under the same header. SHA-1 is never accepted.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    expected = [b"sha256=" + _signature(secret, body) for secret in secrets if secret]
    return is_signed(headers) and _matches(headers.get("x-hub-signature-256"), expected)


def is_signed(headers: Mapping[str, str]) -> bool:
    """True when there is something to verify: a well-formed signature, by whomever."""
    given = _raw(headers.get("x-hub-signature-256"))
    return given is not None and _SIGNATURE.fullmatch(given) is not None


def _signature(secret: bytes, body: bytes) -> bytes:
    return hmac.new(secret, body, hashlib.sha256).hexdigest().encode("ascii")


def _matches(given: str | None, expected: list[bytes]) -> bool:
    raw = _raw(given)
    if not raw:
        return False
    # Every candidate is compared, so that the time does not tell which one matched.
    return sum(hmac.compare_digest(raw, candidate) for candidate in expected) > 0


def _raw(given: str | None) -> bytes | None:
    """The bytes on the wire: WSGI hands headers over as Latin-1 (PEP 3333)."""
    try:
        return None if given is None else given.encode("latin-1")
    except UnicodeEncodeError:
        return None
