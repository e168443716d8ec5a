"""Push times: which push of a tag is the newest while clocks differ and deliveries are late. Real git remote."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.image_updates.test_committer import START, World, accept, kustomization, pipeline, pushed

FILE = "environments/dev/kustomization.yaml"
FIRST, SECOND, THIRD = "a" * 64, "b" * 64, "c" * 64


class Follower:
    """An installation that follows the tag `main`, and its clock."""

    def __init__(self, tmp_path: Path) -> None:
        files = {"environments/pipeline.yaml": pipeline(["order"], "{follow: main}"), FILE: kustomization(["order"])}
        self.world = World(tmp_path, files)
        self.now = START
        self.committer = self.world.committer(now=lambda: self.now)

    def hear(self, digest: str, claimed: int, *, at: int) -> str:
        """Accept a delivery whose push time is `claimed` seconds by the registry's clock, when ours is at `at`."""
        self.now = START + timedelta(seconds=at)
        return accept(self.committer, pushed("order", "main", after=claimed, digest=digest))

    def deployed(self) -> str:
        return next(each for each in (FIRST, SECOND, THIRD) if each.encode() in self.world.remote.read(FILE))


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    made = Follower(tmp_path)
    yield made
    made.world.close()


def test_a06_swapped_deliveries_of_a_clock_ahead_end_at_the_newer_push(follower: Follower) -> None:
    follower.hear(SECOND, 9, at=0)
    assert "superseded" in follower.hear(FIRST, 8, at=1)
    assert follower.deployed() == SECOND


def test_a06_replayed_delivery_of_a_clock_ahead_does_not_come_back(follower: Follower) -> None:
    follower.hear(FIRST, 300, at=0)
    follower.hear(SECOND, 370, at=70)
    assert "written before and has been replaced" in follower.hear(FIRST, 300, at=150)
    assert follower.deployed() == SECOND


@pytest.mark.parametrize("ahead", [120, 3600], ids=["by minutes", "by an hour"])
def test_a06_replayed_delivery_of_a_clock_ahead_does_not_undo_a_revert_by_hand(tmp_path: Path, ahead: int) -> None:
    world, now = World(tmp_path), [START]
    committer = world.committer(now=lambda: now[0])
    before = world.remote.read(FILE)
    accept(committer, pushed("order", "1.5.0", after=ahead))
    now[0] = START + timedelta(seconds=60)
    world.remote.write({FILE: before}, "back to 1.0.0 by hand")
    now[0] = START + timedelta(seconds=300)
    assert "written before and has been replaced" in accept(committer, pushed("order", "1.5.0", after=ahead))
    assert world.deployed()["order"] == "1.0.0"
    world.close()


def test_push_time_of_a_clock_hours_ahead_does_not_win_for_ever(follower: Follower) -> None:
    follower.hear(FIRST, 7200, at=0)
    assert "is in the config repo" in follower.hear(SECOND, 30, at=30)
    assert follower.deployed() == SECOND


def test_a06_tag_that_came_back_is_newer_than_a_late_delivery(follower: Follower) -> None:
    follower.hear(FIRST, 0, at=0)
    assert "already" in follower.hear(FIRST, 300, at=301)
    follower.world.remote.write({"note": b"x"}, "another head")
    assert "superseded" in follower.hear(SECOND, 200, at=302)
    assert follower.deployed() == FIRST
    assert "is in the config repo" in follower.hear(SECOND, 400, at=401)
    assert "superseded" in follower.hear(FIRST, 300, at=402)
    assert follower.deployed() == SECOND


def test_a06_tag_that_came_back_within_one_batch_is_committed_with_its_newer_time(follower: Follower) -> None:
    """The commit holds the time, so that it is known after a restart too."""
    pushes = [
        pushed("order", "main", after=after, digest=digest)
        for digest, after in ((FIRST, 0), (FIRST, 300), (SECOND, 200))
    ]
    follower.now = START + timedelta(seconds=301)
    assert "superseded" in follower.committer.accept(pushes, delivery="d-1", deadline=30)[2]
    follower.committer.stop(10)
    follower.committer = follower.world.committer(now=lambda: follower.now)
    assert "superseded" in follower.hear(SECOND, 200, at=302)
    assert follower.deployed() == FIRST
