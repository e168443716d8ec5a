"""A configured sender: its name in the URL /hooks/<name>, its kind, its secrets and its limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gitops.ports import WebhookSecrets
from webhooks.auth import UNAUTHENTICATED_BYTES, Request
from webhooks.limits import Rate
from webhooks.senders.kinds import KINDS, SenderKind


@dataclass(frozen=True, slots=True)
class Sender:
    """`largest_body` is in bytes."""

    name: str
    kind: SenderKind
    secrets: WebhookSecrets
    largest_body: int
    rate: Rate

    def is_authentic(self, request: Request) -> bool:
        return self.kind.scheme.is_authentic(self.secrets.read(), request)

    def signs_id(self, request: Request) -> bool:
        """True if the sender's signature covers the delivery's id; False if the id is only an unsigned header."""
        return self.kind.signs_id(self.secrets.read(), request)

    def is_bearer(self, headers: Mapping[str, str]) -> bool:
        return self.kind.scheme.is_bearer(self.secrets.read, headers)


def largest_body(senders: Mapping[str, Sender]) -> int:
    """The body limit of the whole listener, in bytes."""
    return max((sender.largest_body for sender in senders.values()), default=UNAUTHENTICATED_BYTES)


def body_limit(senders: Mapping[str, Sender]) -> Callable[[str, Mapping[str, str]], int]:
    """Returns a limit for a server that refuses while it reads: (path, headers in lower case) -> bytes to read at most.

    The limit must not reveal which sender names are configured. A request with a well-formed signature of any scheme
    gets the largest limit of all senders. A request with a sender's bearer secret gets this sender's limit. Every other
    request gets UNAUTHENTICATED_BYTES.
    """
    largest = largest_body(senders)
    schemes = {id(kind.scheme): kind.scheme for kind in KINDS.values()}.values()

    def limit(path: str, headers: Mapping[str, str]) -> int:
        sender = senders.get(path.removeprefix("/hooks/").removesuffix("/"))
        if any(scheme.is_signed(headers) for scheme in schemes):
            return largest
        return sender.largest_body if sender is not None and sender.is_bearer(headers) else UNAUTHENTICATED_BYTES

    return limit
