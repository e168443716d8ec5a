"""The gate on absent images: a promotion waits while its registry no longer has an image. Real git, real kustomize."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.worlds.promotion import HOST, PromotionWorld, image, pipeline, world

ORDER = image("order", 2)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    with world(tmp_path, pipeline(test="when: proven, soak: 5m")) as made:
        made.soak()
        yield made


def test_absent_image_waits_though_it_is_proven_until_it_is_back(place: PromotionWorld) -> None:
    place.asking.gone.add(ORDER)
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.1.0"
    (sentence,) = place.waiting("test")
    assert sentence == (
        f"order 1.2.0: {HOST} no longer has order 1.2.0 ({ORDER.short_digest}), so that no pod could start: push it "
        "again, or let a newer one be proven"
    )
    place.asking.gone.clear()
    place.look()
    assert place.runs("test")["order"] == "1.2.0"


def test_absent_image_does_not_stop_another_digest_of_its_name(place: PromotionWorld) -> None:
    place.asking.gone.add(replace(ORDER, digest=f"sha256:{'e' * 64}"))
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.2.0"
