"""Signatures by the Standard Webhooks specification, which GitLab's signing tokens follow.

The sender signs `<webhook-id>.<webhook-timestamp>.<body>` with the key that is written as `whsec_<base64>`.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence

from webhooks import auth
from webhooks.auth import Bearer, Request

PREFIX = b"whsec_"
TOLERANCE = 300
"""Seconds by which webhook-timestamp may differ from the controller's clock."""

_ID = re.compile(rb"[\x21-\x2d\x2f-\x7e]{1,256}")  # no dot: it separates the signed parts
_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_SIGNATURE = re.compile(rb"v1,[A-Za-z0-9+/]{43}=")
_MOST_SIGNATURES = 8
_SHORTEST_KEY = 24  # bytes, by the specification


class Signed:
    """An auth.Scheme. During a rotation a request carries several signatures; one of them must be right."""

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        message_id = auth.header_bytes(request.headers.get("webhook-id"))
        timestamp = auth.header_bytes(request.headers.get("webhook-timestamp"))
        if not (_ID.fullmatch(message_id) and _TIMESTAMP.fullmatch(timestamp)):
            return False
        if abs(request.at - int(timestamp)) > TOLERANCE:
            return False
        signed = b".".join((message_id, timestamp, request.body))
        expected = [b"v1," + _signature(key, signed) for key in map(_key, secrets) if key]
        return auth.matches_any(_signatures(request.headers), expected)

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        return bool(_signatures(headers))

    def is_bearer(self, _secrets: Callable[[], Sequence[bytes]], _headers: Mapping[str, str]) -> bool:
        return False


class SignedOrToken:
    """GitLab's two schemes. A secret that begins with `whsec_` verifies signatures; any other secret is the token in
    X-Gitlab-Token. A webhook that sends both is authentic by either.
    """

    def __init__(self) -> None:
        self._signed = Signed()
        self._token = Bearer("x-gitlab-token")

    def is_authentic(self, secrets: Sequence[bytes], request: Request) -> bool:
        by_signature = self._signed.is_authentic(secrets, request)
        return self.is_bearer(lambda: secrets, request.headers) or by_signature

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        return self._signed.is_signed(headers)

    def is_bearer(self, secrets: Callable[[], Sequence[bytes]], headers: Mapping[str, str]) -> bool:
        return self._token.is_bearer(lambda: [each for each in secrets() if not each.startswith(PREFIX)], headers)


def secret_flaw(secret: bytes) -> str | None:
    """Explains why no request can match this secret; None for a usable secret."""
    if not secret.startswith(PREFIX) or _key(secret):
        return None
    return "begins with whsec_ but is not a signing token: copy the whole token, whsec_ and 32 bytes in base64"


def _signatures(headers: Mapping[str, str]) -> list[bytes]:
    given = auth.header_bytes(headers.get("webhook-signature")).split(b" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    return [each for each in given if _SIGNATURE.fullmatch(each)]


def _key(secret: bytes) -> bytes | None:
    if not secret.startswith(PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return None
    return key if len(key) >= _SHORTEST_KEY else None


def _signature(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
