"""The parties that may post here: one URL `/hooks/<name>` and own secrets each, so nothing is detected by header."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from webhooks import (
    bitbucket_cloud,
    bitbucket_data_center,
    cloudevents,
    gitea,
    github,
    gitlab,
    gogs,
    harbor,
    standard_webhooks,
)
from webhooks.auth import STRANGERS_BYTES, Bearer, Request, Scheme, Signature
from webhooks.deliveries import Delivery
from webhooks.limits import Rate

MEBIBYTE = 1024 * 1024
_GIT_PUSH_BYTES = 25 * MEBIBYTE
"""GitHub drops what would be larger: https://docs.github.com/en/webhooks/webhook-events-and-payloads"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A dialect, how its senders show who they are, and how much they have to say, in bytes. `flaw` says why a secret
    can be none. `signs_id`: where a delivery's id can be signed, whether it was.
    """

    parse: Callable[[Mapping[str, str], bytes], Delivery]
    scheme: Scheme
    largest_body: int
    flaw: Callable[[bytes], str | None] = lambda _: None
    signs_id: Callable[[Sequence[bytes], Request], bool] = lambda *_: False


_GITHUB = Signature("x-hub-signature-256", b"sha256=")
_BITBUCKET = Signature("x-hub-signature", b"sha256=")
_GITEA = Signature("x-gitea-signature", signs_payload=True)
_FORGEJO = Signature("x-forgejo-signature", signs_payload=True)
_GOGS = Signature("x-gogs-signature", signs_payload=True)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "harbor": Kind(harbor.parse, Bearer("authorization"), MEBIBYTE),
        "github": Kind(github.parse, _GITHUB, _GIT_PUSH_BYTES),
        "gitlab": Kind(
            gitlab.parse,
            standard_webhooks.SignedOrToken(),
            _GIT_PUSH_BYTES,
            standard_webhooks.flaw,
            standard_webhooks.Signed().is_authentic,
        ),
        "gitea": Kind(gitea.parse, _GITEA, _GIT_PUSH_BYTES),
        "forgejo": Kind(gitea.parse_forgejo, _FORGEJO, _GIT_PUSH_BYTES),
        "gogs": Kind(gogs.parse, _GOGS, _GIT_PUSH_BYTES),
        "bitbucket-cloud": Kind(bitbucket_cloud.parse, _BITBUCKET, MEBIBYTE),
        "bitbucket-data-center": Kind(bitbucket_data_center.parse, _BITBUCKET, MEBIBYTE),
        "cloudevents": Kind(cloudevents.parse, _GITHUB, MEBIBYTE),
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

    def is_authentic(self, request: Request) -> bool:
        return self.kind.scheme.is_authentic(self.secrets(), request)

    def signs_id(self, request: Request) -> bool:
        """Whether the delivery's id is the sender's own word, and not only sent along."""
        return self.kind.signs_id(self.secrets(), request)

    def is_bearer(self, headers: Mapping[str, str]) -> bool:
        return self.kind.scheme.is_bearer(self.secrets, headers)


def largest_body(senders: Mapping[str, Sender]) -> int:
    """The cap of a whole listener."""
    return max((sender.largest_body for sender in senders.values()), default=STRANGERS_BYTES)


def body_limit(senders: Mapping[str, Sender]) -> Callable[[str, Mapping[str, str]], int]:
    """For a server that can refuse while it reads: (path, headers in lower case) -> bytes worth reading.

    The answer tells a stranger nothing about which names are configured: whoever carries a well-formed signature of any
    kind may send what the largest sender may, everybody else little; only the bearer of a sender's secret gets its cap.
    """
    largest = largest_body(senders)
    schemes = {id(kind.scheme): kind.scheme for kind in KINDS.values()}.values()

    def limit(path: str, headers: Mapping[str, str]) -> int:
        sender = senders.get(path.removeprefix("/hooks/").removesuffix("/"))
        if any(scheme.is_signed(headers) for scheme in schemes):
            return largest
        return sender.largest_body if sender is not None and sender.is_bearer(headers) else STRANGERS_BYTES

    return limit
