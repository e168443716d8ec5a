"""Gitea's webhooks, observed on Gitea 1.26, and Forgejo's, which use other header names.

Both also send copies of GitHub's and Gogs' headers; only the headers of their own are read.
https://docs.gitea.com/usage/repository/webhooks
https://forgejo.org/docs/latest/user/webhooks/
"""

from collections.abc import Mapping

from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import github


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push or a deletion gives one event; every other event is ignored. Raises: Rejected(MalformedDelivery)."""
    own_id = bodies.delivery_id(headers.get("x-gitea-delivery"))
    return Delivery(own_id, github.read_push("X-Gitea-Event", headers, bodies.decode(body)))


def parse_forgejo(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Parses as `parse`, from the headers of Forgejo."""
    own_id = bodies.delivery_id(headers.get("x-forgejo-delivery"))
    return Delivery(own_id, github.read_push("X-Forgejo-Event", headers, bodies.decode(body)))
