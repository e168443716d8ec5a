"""Gogs' webhooks: GitHub's dialect, with headers and a signature of its own.

https://gogs.io/advancing/webhooks
"""

from collections.abc import Mapping

from webhooks import bodies, github
from webhooks.deliveries import Delivery


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push and a deletion are one event; everything else asks for nothing. Raises: Rejected(MalformedDelivery)."""
    own_id = bodies.senders_id(headers.get("x-gogs-delivery"))
    return Delivery(own_id, github.said("X-Gogs-Event", headers, bodies.decode(body)))
