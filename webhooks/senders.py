"""The parties that may post here: one URL `/hooks/<name>` and own secrets each, so nothing is detected by header."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from webhooks import auth, github, harbor
from webhooks.deliveries import Delivery
from webhooks.limits import Rate

MEBIBYTE = 1024 * 1024
STRANGERS_BYTES = 64 * 1024
"""What is read from somebody who has not shown any sign of being authentic."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A dialect. `is_authentic` is asked with the whole body, `may_send` with the headers alone, before the body."""

    parse: Callable[[Mapping[str, str], bytes], Delivery]
    is_authentic: Callable[[Sequence[bytes], Mapping[str, str], bytes], bool]
    may_send: Callable[[Sequence[bytes], Mapping[str, str]], bool]
    largest_body: int


def _is_bearer(secrets: Sequence[bytes], headers: Mapping[str, str], _body: bytes) -> bool:
    return auth.is_bearer(secrets, headers)


def _is_signed(_secrets: Sequence[bytes], headers: Mapping[str, str]) -> bool:
    return auth.is_signed(headers)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "harbor": Kind(harbor.parse, _is_bearer, auth.is_bearer, MEBIBYTE),
        # GitHub drops what would be larger: https://docs.github.com/en/webhooks/webhook-events-and-payloads
        "github": Kind(github.parse, auth.is_signer, _is_signed, 25 * MEBIBYTE),
    }
)


@dataclass(frozen=True, slots=True)
class Sender:
    """`secrets` is asked at every request, so that a rotated secret needs no restart. Sizes are in bytes."""

    name: str
    kind: Kind
    secrets: Callable[[], Sequence[bytes]]
    largest_body: int
    rate: Rate

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        return self.kind.is_authentic(self.secrets(), headers, body)

    def may_send(self, headers: Mapping[str, str]) -> bool:
        return self.kind.may_send(self.secrets(), headers)


def largest_body(senders: Mapping[str, Sender]) -> int:
    """The cap of a whole listener."""
    return max((sender.largest_body for sender in senders.values()), default=STRANGERS_BYTES)


def body_limit(senders: Mapping[str, Sender]) -> Callable[[str, Mapping[str, str]], int]:
    """For a server that can refuse while it reads: (path, headers in lower case) -> bytes worth reading.

    The answer tells a stranger nothing about which names are configured: whoever carries a well-formed signature may
    send what the largest sender may, everybody else little; only the bearer of a sender's secret gets its cap.
    """
    largest = largest_body(senders)

    def limit(path: str, headers: Mapping[str, str]) -> int:
        sender = senders.get(path.removeprefix("/hooks/").removesuffix("/"))
        if auth.is_signed(headers):
            return largest
        return sender.largest_body if sender is not None and sender.may_send(headers) else STRANGERS_BYTES

    return limit
