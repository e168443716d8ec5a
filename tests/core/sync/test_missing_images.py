"""Images that an overlay needs, and the sentences about those that are missing."""

from datetime import UTC, datetime

import pytest

from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.sync import missing_images
from gitops.core.sync.missing_images import MissingImages, NeededImages
from gitops.core.sync.status import Record, Sync

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def image(number: int, name: str = "h.example/shop/order") -> Image:
    return Image(name, f"1.{number}", f"sha256:{number:064x}")


def record(*images: Image) -> Record:
    names = {f"{each.name}{number}": each for number, each in enumerate(images)}
    return Record(NOW, None, Sync.SYNCED, Health.HEALTHY, "Synced", "", images=names)


def test_needed_images_in_reach_are_the_newest_three_of_each_name() -> None:
    other = image(9, "h.example/shop/print")
    history = [record(image(5)), record(image(4), other), record(image(3)), record(image(2)), record(image(1))]
    found = missing_images.needed_images([image(5), Image("h.example/shop/order", "no-digest")], history, [image(7)])
    assert found == NeededImages(
        frozenset({image(5)}), frozenset({image(4), image(3), image(2), other}), frozenset({image(7)})
    )
    assert len(found.names) == 6


@pytest.mark.parametrize(
    ("needed", "reason", "words"),
    [
        (
            NeededImages(in_use=frozenset({image(1)})),
            "ImageMissing",
            "a pod that starts on another node cannot pull it",
        ),
        (NeededImages(in_reach=frozenset({image(1)})), "RollbackImageMissing", "a rollback to it would not start"),
        (NeededImages(proven=frozenset({image(1)})), "ProvenImageMissing", "is not promoted while it is missing"),
        (NeededImages(in_use=frozenset({image(2)})), "", ""),
        (NeededImages(*[frozenset({image(1)})] * 3), "ImageMissing", "a pod that starts on another node"),
    ],
)
def test_missing_images_are_described_by_the_worst_need(needed: NeededImages, reason: str, words: str) -> None:
    found = missing_images.describe("prod", needed, {missing_images.pinned_name(image(1))})
    assert found.reason == reason
    assert words in found.message
    assert found.message.count("prod: order 1.1 (sha256:") == (1 if reason else 0)


def test_missing_images_message_has_a_bound() -> None:
    found = MissingImages(in_use=tuple(f"image {number}" for number in range(12)))
    assert found.message.endswith("image 9; and 2 more")
