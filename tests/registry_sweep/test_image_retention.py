"""Image retention: an image that its registry lost is reported in each overlay that needs it, until it is back."""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

from gitops.core.errors import Unavailable
from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.promotion.proof import Proof, Proofs
from gitops.core.revision import Revision
from gitops.core.sync import missing_images, summary
from gitops.core.sync.missing_images import IN_REACH, IN_USE, PULLABLE, MissingImages, NeededImages
from gitops.core.sync.status import Record, Sync, SyncStatus
from gitops.core.sync.summary import PassResults
from gitops.registry_sweep.image_retention import ImageRetention, RetainedImages
from tests.worlds.clocks import WorldClock
from tests.worlds.harbor import digest
from tests.worlds.sweeps import Shelf, refused, wanting

HOST = "harbor.example"
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)


def image(service: str, tag: str, host: str = HOST) -> Image:
    name = f"{host}/tuling/{service}"
    return Image(name, tag, digest(f"{name}:{tag}"))


def record(*images: Image, minutes: float = 0) -> Record:
    held = {each.name.rpartition("/")[2]: each for each in images}
    return Record(NOW - timedelta(minutes=minutes), None, Sync.SYNCED, Health.HEALTHY, "Synced", "", images=held)


USED, BEFORE, PROVEN = image("print-api", "1.4.2"), image("print-api", "1.4.1"), image("print-api", "1.5.0")


class World:
    """`needs` holds the images that overlays need; `woken` holds the overlays that were woken."""

    def __init__(self, others: Mapping[str, Shelf] = MappingProxyType({})) -> None:
        self.shelf = Shelf()
        self.needs: dict[str, NeededImages] = {
            "prod": NeededImages(frozenset({USED}), frozenset({BEFORE})),
            "dev": NeededImages(frozenset({image("order", "1.0.0")})),
        }
        for needed in self.needs.values():
            self.shelf.digests |= {missing_images.pinned_name(each) for each in needed.in_use | needed.in_reach}
        self.elapsed = 0.0
        self.woken: list[frozenset[str]] = []
        self.pool = ThreadPoolExecutor(2)
        clock = WorldClock(lambda: NOW, lambda: self.elapsed)
        self.retention = ImageRetention({HOST: self.shelf, **others}, self, self, clock)

    def recheck(self, overlays: Collection[str]) -> None:
        self.woken.append(frozenset(overlays))

    def everywhere(self) -> Mapping[str, NeededImages]:
        return self.needs

    def of(self, overlay: str) -> NeededImages:
        return self.needs.get(overlay, NeededImages())

    def check(self, seen: frozenset[str] = frozenset()) -> None:
        self.retention.check_all(HOST, seen, self.pool)

    def missing(self, overlay: str = "prod") -> MissingImages | None:
        return self.retention.missing(wanting(overlay, self.needs[overlay].in_use))


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.pool.shutdown()


def test_missing_images_are_unknown_before_the_first_check(world: World) -> None:
    assert world.missing() is None
    world.check()
    assert world.missing() == MissingImages()
    assert world.woken == [frozenset({"prod", "dev"})]


def test_missing_image_in_use_is_reported_until_it_is_back(world: World) -> None:
    world.check()
    world.woken.clear()
    world.shelf.digests.discard(missing_images.pinned_name(USED))
    world.check()
    found = world.missing()
    assert found is not None
    assert found.reason == IN_USE
    assert found.message == (
        f"prod: print-api 1.4.2 (sha256:{USED.short_digest}) is no longer in harbor.example: a pod that starts on "
        "another node cannot pull it; push it again, or roll forward"
    )
    assert world.missing("dev") == MissingImages()
    assert world.woken == [frozenset({"prod"})]
    world.shelf.digests.add(missing_images.pinned_name(USED))
    world.check()
    assert world.missing() == MissingImages()


def test_missing_rollback_image_has_its_own_reason_and_is_checked_hourly(world: World) -> None:
    world.check()
    world.shelf.digests.discard(missing_images.pinned_name(BEFORE))
    world.check()
    assert world.missing() == MissingImages()
    world.elapsed = 3601.0
    world.check()
    found = world.missing()
    assert found is not None
    assert found.reason == IN_REACH
    assert "a rollback to it would not start" in found.message


def test_missing_image_is_forgotten_after_a_roll_forward(world: World) -> None:
    world.shelf.digests.discard(missing_images.pinned_name(USED))
    world.check()
    new = image("print-api", "1.4.3")
    assert world.retention.missing(wanting("prod", {new})) == MissingImages()
    world.needs["prod"] = NeededImages(frozenset({new}))
    world.shelf.digests.add(missing_images.pinned_name(new))
    world.woken.clear()
    world.check()
    assert world.woken == [frozenset({"prod", "dev"})]


def test_deletion_event_is_checked_at_once_and_not_believed(world: World) -> None:
    world.check()
    world.shelf.asked.clear()
    world.retention.check(image("gallery", "1.0.0").name, image("gallery", "1.0.0").digest or "")
    assert not world.shelf.asked, "no overlay needs it"
    world.retention.check(USED.name, USED.digest or "")
    assert world.missing() == MissingImages(), "the registry has it, so the deletion event is wrong"
    world.shelf.digests.discard(missing_images.pinned_name(BEFORE))
    world.retention.check(BEFORE.name, BEFORE.digest or "")
    found = world.missing()
    assert found is not None
    assert found.reason == IN_REACH


def test_missing_proven_image_has_its_own_reason_and_is_known_to_the_gate(world: World) -> None:
    world.needs["prod"] = replace(world.needs["prod"], proven=frozenset({USED, PROVEN}))
    world.check()
    found = world.missing()
    assert found is not None
    assert found.reason == "ProvenImageMissing"
    assert found.message == (
        f"prod: print-api 1.5.0 (sha256:{PROVEN.short_digest}) is no longer in harbor.example: it was proven here, "
        "and is not promoted while it is missing; push it again, or prove a newer image"
    )
    assert [world.retention.is_absent(each) for each in (PROVEN, USED)] == [True, False]
    world.shelf.digests.add(missing_images.pinned_name(PROVEN))
    world.retention.check(PROVEN.name, PROVEN.digest or "")
    assert world.missing() == MissingImages()
    assert not world.retention.is_absent(PROVEN)


def test_missing_images_in_use_come_before_proven_ones_and_rollback_images() -> None:
    sentences = ("a sentence",)
    assert MissingImages(sentences, sentences, sentences).reason == "ImageMissing"
    assert MissingImages((), sentences, sentences).reason == "ProvenImageMissing"
    assert MissingImages((), sentences).reason == "RollbackImageMissing"


def test_missing_proven_image_is_checked_soon_after_news_of_another_replica(world: World) -> None:
    world.needs["prod"] = replace(world.needs["prod"], proven=frozenset({PROVEN}))
    world.shelf.digests.add(missing_images.pinned_name(PROVEN))
    world.check()
    world.shelf.digests.discard(missing_images.pinned_name(PROVEN))
    world.elapsed = 600.0
    world.retention.outdate()
    world.check()
    assert not world.retention.is_absent(PROVEN), "no more often than every 15 min"
    world.elapsed = 901.0
    world.check()
    assert world.retention.is_absent(PROVEN)


def test_missing_images_are_known_without_a_registry_that_was_never_reached() -> None:
    world = World({"other.example": Shelf()})
    elsewhere = image("order", "1.0.0", "other.example")
    world.needs["prod"] = NeededImages(frozenset({USED, elsewhere}))
    assert world.missing() is None
    world.check()
    assert world.missing() == MissingImages()
    world.shelf.digests.discard(missing_images.pinned_name(USED))
    world.check()
    found = world.missing()
    world.pool.shutdown()
    assert found is not None
    assert found.reason == IN_USE


class Accounts:
    """A ledger that holds the proofs of one overlay."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs

    def read(self, _overlay: str) -> None:
        return None

    def read_proofs(self, _overlay: str) -> Proofs:
        return self._proofs


class NothingRendered:
    def known(self, _overlay: str) -> None:
        return None


def test_needed_images_include_proven_ones_of_the_ledger() -> None:
    def proof(found: Image, healthy_since: datetime | None) -> Proof:
        return Proof("print-api", found, "", "", Revision("a" * 40, "a" * 40), healthy_since=healthy_since)

    proofs = Proofs(NOW, (proof(BEFORE, None), proof(PROVEN, NOW)))
    needed = RetainedImages(Accounts(proofs), NothingRendered())
    assert needed.of("dev").names == {missing_images.pinned_name(PROVEN)}


def test_check_does_not_ask_for_images_that_the_sweep_has_seen(world: World) -> None:
    world.check(frozenset({missing_images.pinned_name(USED), missing_images.pinned_name(BEFORE)}))
    assert [about for _, about in world.shelf.asked] == [missing_images.pinned_name(image("order", "1.0.0"))]


def test_missing_images_stay_as_known_while_the_registry_is_down(world: World) -> None:
    world.check()
    world.shelf.error = Unavailable("RegistryUnreachable", "no answer")
    with pytest.raises(Unavailable):
        world.check()
    assert world.missing() == MissingImages()
    world.retention.forget()
    assert world.missing() is None


def test_image_that_may_not_be_read_is_not_missing(world: World) -> None:
    world.shelf.errors[missing_images.pinned_name(USED)] = refused("Forbidden")
    (sentence,) = world.retention.check_all(HOST, frozenset(), world.pool)
    assert sentence.startswith(f"unknown whether it has {USED.name}@sha256:{USED.short_digest}")
    assert world.missing() == MissingImages()


def test_missing_images_of_unknown_registries_are_unknown(world: World) -> None:
    world.check()
    assert world.retention.missing(wanting("prod", {image("print-api", "1.4.2", "other.example")})) is None


def test_rollback_images_are_the_newest_that_ran_before() -> None:
    tags = [image("print-api", f"1.{number}.0") for number in range(9, 0, -1)]
    undigested = Image(f"{HOST}/tuling/order", "main")
    history = [record(tags[0], undigested), record(tags[0]), *(record(tag) for tag in tags[1:])]
    assert missing_images.needed_images({tags[0], undigested}, history) == NeededImages(
        frozenset({tags[0]}), frozenset(tags[1:4])
    )


# -- missing images in a status


def summarised(found: MissingImages | None, previous: SyncStatus | None = None) -> SyncStatus:
    results = PassResults("prod", "prod", None, None, None, missing=found)
    return summary.summarise(results, previous, NOW if previous is None else NOW + timedelta(minutes=5))


GONE = MissingImages(in_use=("prod: print-api 1.4.2 is no longer in harbor.example",))


def test_status_has_a_condition_and_a_record_for_missing_images() -> None:
    fine = summarised(MissingImages())
    gone = summarised(GONE, fine)
    condition = gone.condition(PULLABLE)
    assert condition is not None
    assert (condition.status, condition.reason, condition.message) == (False, IN_USE, GONE.message)
    assert condition.since == NOW + timedelta(minutes=5)
    assert (gone.sync, gone.health) == (fine.sync, fine.health), "sync and health do not change"
    line = summary.record(fine, gone, {})
    assert line is not None
    assert (line.reason, line.message) == (IN_USE, GONE.message)
    back = summary.record(gone, summarised(MissingImages(), gone), {})
    assert back is not None
    assert (back.reason, back.message) == (PULLABLE, "all images can be pulled again")
    assert summary.record(gone, summarised(GONE, gone), {}) is None


def test_record_of_a_pass_with_changes_names_missing_images_too() -> None:
    line = summary.record(summarised(MissingImages()), summarised(GONE), {"configured": 1})
    assert line is not None
    assert (line.reason, line.message) == ("Unknown", GONE.message)


def test_status_keeps_missing_images_until_a_new_leader_has_checked() -> None:
    gone = summarised(GONE)
    assert summarised(None, gone).condition(PULLABLE) == gone.condition(PULLABLE)
    assert summarised(None).condition(PULLABLE) is None
    assert summary.record(None, summarised(GONE), {}) is not None
    fine = summarised(MissingImages())
    assert summary.record(fine, summarised(MissingImages(), fine), {}) is None
