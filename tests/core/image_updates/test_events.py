"""Events are values: two deliveries of one push are the same event, and an event cannot be changed afterwards."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from gitops.core.image_updates.events import ConfigPushed, Event, Ignored, ImageDeleted, ImagePushed, ImageScanned

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
PUSHED = ImagePushed("harbor.example/shop/order", "1.4.2", DIGEST, AT)


def test_events_of_one_push_are_equal_and_decided_once() -> None:
    again = ImagePushed("harbor.example/shop/order", "1.4.2", DIGEST, AT)
    assert {PUSHED, again} == {PUSHED}
    assert ImagePushed("harbor.example/shop/order", "1.4.2", DIGEST, AT, is_exact=False) != PUSHED


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (PUSHED, "tag"),
        (ConfigPushed(("https://git.example/config",), "refs/heads/main", "f" * 40), "ref"),
        (ImageScanned("harbor.example/shop/order", DIGEST), "digest"),
        (ImageDeleted("harbor.example/shop/order", DIGEST), "tag"),
        (Ignored("a ping"), "reason"),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, str) else each,
)
def test_events_cannot_be_changed(event: Event | Ignored, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(event, name, "other")
