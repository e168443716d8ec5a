"""One authentic request, read."""

from dataclasses import dataclass

from gitops.core.image_updates.events import Event, Ignored


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a sender said. `id` is the sender's own, None when it gave none that can be logged. `signed_id` is an id
    that the sender's signature covers: what comes under it a second time is a replay.
    """

    id: str | None
    content: tuple[Event, ...] | Ignored
    signed_id: str | None = None
