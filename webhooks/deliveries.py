"""A delivery: the events in one authentic request."""

from dataclasses import dataclass

from gitops.core.image_updates.events import Event, Ignored


@dataclass(frozen=True, slots=True)
class Delivery:
    """`id` is the sender's own id, None if it sent none that can be logged. `signed_id` is the id if the sender's
    signature covers it: a second delivery with the same signed id is a replay.
    """

    id: str | None
    content: tuple[Event, ...] | Ignored
    signed_id: str | None = None
