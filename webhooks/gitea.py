"""Gitea's webhooks, observed on Gitea 1.26, and Forgejo's, which differ in the names of their headers.

Both send copies of GitHub's and Gogs' headers; the ones that are their own count.
https://docs.gitea.com/usage/repository/webhooks
https://forgejo.org/docs/latest/user/webhooks/
"""

from collections.abc import Mapping

from webhooks import bodies, github
from webhooks.deliveries import Delivery


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push and a deletion are one event; everything else asks for nothing. Raises: Rejected(MalformedDelivery)."""
    own_id = bodies.senders_id(headers.get("x-gitea-delivery"))
    return Delivery(own_id, github.said("X-Gitea-Event", headers, bodies.decode(body)))


def parse_forgejo(headers: Mapping[str, str], body: bytes) -> Delivery:
    """As `parse`."""
    own_id = bodies.senders_id(headers.get("x-forgejo-delivery"))
    return Delivery(own_id, github.said("X-Forgejo-Event", headers, bodies.decode(body)))
