"""Gogs' webhooks: GitHub's payloads, with headers and a signature of its own.

https://gogs.io/advancing/webhooks
"""

from collections.abc import Mapping

from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import github


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push or a deletion gives one event; every other event is ignored. Raises: Rejected(MalformedDelivery)."""
    own_id = bodies.delivery_id(headers.get("x-gogs-delivery"))
    return Delivery(own_id, github.read_push("X-Gogs-Event", headers, bodies.decode(body)))
