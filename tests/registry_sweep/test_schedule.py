"""The schedule of sweeps: when a registry is swept, and when not."""

import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.core.config_repo.pipeline import FILE
from gitops.core.errors import Unavailable
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.sync.missing_images import NeededImages
from gitops.registry_sweep.image_retention import ImageRetention
from gitops.registry_sweep.schedule import SweepSchedule, SweepTerms
from tests.worlds.clocks import WorldClock
from tests.worlds.image_sources import Half
from tests.worlds.sweeps import Shelf, SweepWorld, at, pipeline_text, until, wanting

HOST = "registry.example"


class Rig:
    """A sweep schedule; the test sets whether it leads and how many senders wait."""

    def __init__(self, directory: Path) -> None:
        self.world = SweepWorld(directory, HOST, pipeline_text(HOST, registry=", aliases: ['10.0.0.1:30002']"))
        self.shelf = Shelf()
        self.digest = self.shelf.push(f"{HOST}/tuling/print-api", "1.6.0", at(1))
        self.leads, self.is_busy = True, False
        self.seen: list[RegistryState] = []
        self.clock_ahead = 0.0
        self.asked_busy = self.asked_to_lead = 0
        clock = WorldClock(self.world.time)
        retention = ImageRetention({HOST: self.shelf}, self, self, clock)
        ahead = WorldClock(self.world.time, lambda: time.monotonic() + self.clock_ahead)
        terms = SweepTerms(self, self, self.world, ahead, Half(), self)
        self.retention = retention
        self.sweeping = SweepSchedule(self.world.sweeper({HOST: self.shelf}, retention), retention, terms)
        self.sweeping.start()

    def everywhere(self) -> dict[str, NeededImages]:
        return {"dev": NeededImages(frozenset(self.world.deployed().values()))}

    def of(self, overlay: str) -> NeededImages:
        return self.everywhere()[overlay]

    def recheck(self, overlays: Collection[str]) -> None:
        pass

    def is_leader(self) -> bool:
        self.asked_to_lead += 1
        return self.leads

    @property
    def waiting(self) -> int:
        self.asked_busy += 1
        return 20 if self.is_busy else 19

    def on_sweep(self, state: RegistryState) -> None:
        self.seen.append(state)

    def close(self) -> None:
        self.sweeping.stop(10)
        self.world.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def test_schedule_sweeps_as_leader_and_reports_the_result(rig: Rig) -> None:
    rig.sweeping.sweep_all()
    until(lambda: bool(rig.seen))
    assert rig.world.deployed()["print-api"].digest == rig.digest
    assert rig.seen[0].swept_at is not None
    assert rig.retention.missing(wanting("dev", rig.world.deployed().values())) is not None


def test_schedule_does_not_sweep_as_follower(rig: Rig) -> None:
    rig.leads = False
    rig.sweeping.sweep_all()
    until(lambda: rig.asked_to_lead > 0)
    rig.leads = True
    rig.sweeping.check_image(f"{HOST}/tuling/print-api", rig.digest)
    until(lambda: rig.asked_busy > 0)
    assert not rig.seen


def test_schedule_lets_waiting_senders_go_first(rig: Rig) -> None:
    rig.is_busy = True
    rig.sweeping.sweep_all()
    until(lambda: rig.asked_busy > 0)
    assert not rig.shelf.asked
    rig.is_busy = False
    until(lambda: bool(rig.seen))


def test_schedule_reports_a_failing_sweep_and_tries_again(rig: Rig) -> None:
    rig.shelf.error = Unavailable("RegistryUnreachable", "no answer", retry_after=0.0)
    rig.sweeping.sweep_all()
    until(lambda: bool(rig.seen))
    assert rig.seen[0].failing_since is not None
    assert rig.seen[0].reason == "RegistryUnreachable"
    rig.shelf.error = None
    until(lambda: rig.seen[-1].swept_at is not None)


def test_schedule_checks_a_deletion_under_the_name_that_manifests_use(rig: Rig) -> None:
    rig.sweeping.sweep_all()
    until(lambda: bool(rig.seen))
    rig.shelf.digests.clear()
    rig.sweeping.check_image("10.0.0.1:30002/tuling/print-api", rig.digest)
    wanted = wanting("dev", rig.world.deployed().values())

    def reason() -> str:
        found = rig.retention.missing(wanted)
        return found.reason if found else ""

    until(lambda: reason() == "ImageMissing")
    rig.sweeping.forget()
    assert rig.retention.missing(wanted) is None


def test_schedule_sweeps_once_a_minute_at_most_for_news_of_another_replica(rig: Rig) -> None:
    rig.sweeping.sweep_soon()
    until(lambda: bool(rig.seen))
    rig.shelf.digests.clear()
    for _ in range(20):
        rig.sweeping.sweep_soon()
    assert rig.sweeping.depth() == 1, "the second sweep waits, whatever the first one has planned"
    assert len(rig.seen) == 1
    rig.clock_ahead = 61.0
    rig.sweeping.check_image(f"{HOST}/tuling/none", rig.digest)  # makes the queue read its clock
    until(lambda: len(rig.seen) == 2)
    found = rig.retention.missing(wanting("dev", rig.world.deployed().values()))
    assert found is not None
    assert found.reason == "ImageMissing"


def test_schedule_follows_a_shorter_interval_at_once(rig: Rig) -> None:
    rig.sweeping.sweep_all()
    until(lambda: bool(rig.seen))
    rig.sweeping.hurry()
    assert rig.sweeping.depth() == 1
    rig.world.remote.write({FILE: pipeline_text(HOST, registry=", sweep: {every: 1m}")}, "more often")
    rig.sweeping.hurry()
    until(lambda: len(rig.seen) == 2)
    assert rig.seen[-1].every == timedelta(minutes=1)


def test_schedule_respects_retry_after_within_bounds(rig: Rig) -> None:
    rig.shelf.error = Unavailable("TooManyRequests", "slow down", retry_after=3600.0)
    rig.sweeping.sweep_all()
    until(lambda: bool(rig.seen))
    rig.shelf.error = None
    rig.clock_ahead = 301.0
    rig.sweeping.check_image(f"{HOST}/tuling/none", rig.digest)
    until(lambda: rig.seen[-1].swept_at is not None)
