"""Promotions that are taken back by themselves, on real git and real kustomize."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.core.config_repo.release import parse_hold, parse_release
from gitops.core.health import Health
from tests.cli.test_promotion_requests import lockstep
from tests.promotion.test_service_overlays import OVERLAYS
from tests.promotion.test_service_overlays import overlay as service_overlay
from tests.worlds.git import git
from tests.worlds.promotion import PromotionWorld, image, overlay, pipeline, world

DECLARED = pipeline(test="when: proven, soak: 5m, rollback: {within: 10m}")
RELEASE, HOLD = (f"environments/test/{name}.yaml" for name in ("release", "hold"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Order 1.2.0 was promoted to test, and runs."""
    with world(tmp_path, DECLARED) as made:
        made.soak()
        promote(made)
        yield made


def promote(place: PromotionWorld, number: int = 2) -> None:
    place.push_image("order", number)
    place.soak()
    place.run()
    assert place.runs("test")["order"] == f"1.{number}.0"


def degrade(place: PromotionWorld, minutes: float = 4, *names: str) -> None:
    """After so many minutes order is Degraded in test."""
    place.pass_time(minutes)
    place.run(health=dict.fromkeys(names or ("order",), Health.DEGRADED), environments=("test",))


def test_it_is_what_a_person_would_have_done(place: PromotionWorld) -> None:
    promotion = place.remote.head()
    degrade(place)
    place.look()
    assert place.runs("test") == {"order": "1.1.0", "print": "1.1.0"}
    said = place.last()
    assert said.startswith("test: roll back test to ")
    assert "test is Degraded" in said
    assert f"Lockstep-Cause: degraded 4 min after the promotion {promotion[:12]}" in said
    hold = parse_hold(place.remote.read(HOLD), HOLD)
    assert (hold.who, hold.why) == (
        "Lockstep", f"rolled back by itself: degraded 4 min after the promotion {promotion[:12]}"
    )  # fmt: skip
    release = place.remote.read(RELEASE)
    assert [each.digest for each in parse_release(release, RELEASE).rejected] == [image("order", 2).digest]

    git(place.remote.directory, "update-ref", "refs/heads/main", promotion)
    lockstep(place, "rollback", "test", "--reason", "by hand")
    assert place.remote.read(RELEASE) == release


def test_it_happens_once_and_is_never_taken_back_itself(place: PromotionWorld) -> None:
    degrade(place)
    place.look()
    head = place.remote.head()
    degrade(place, 1, "order", "print")
    place.begin()
    place.look()
    assert place.remote.head() == head
    lockstep(place, "resume", "test")
    head = place.remote.head()
    degrade(place, 1, "order", "print")
    place.look()
    assert place.remote.head() == head
    promote(place, 3)
    degrade(place)
    place.look()
    assert place.runs("test")["order"] == "1.1.0"


def test_a_restart_and_a_long_night_change_nothing(place: PromotionWorld) -> None:
    """Whoever led before saw it fall, and died."""
    degrade(place)
    place.begin()
    place.now += timedelta(hours=9)
    place.look()
    assert place.runs("test")["order"] == "1.1.0"
    assert "degraded 4 min after" in place.last()


def test_a_lost_race_is_decided_again(place: PromotionWorld) -> None:
    degrade(place)
    place.remote.write({"README.md": b"hello\n"}, "somebody was faster")
    with pytest.raises(Exception, match="moved"):
        place.promoter.look()
    place.look()
    assert place.runs("test")["order"] == "1.1.0"
    assert place.remote.subjects()[1] == "somebody was faster"


def test_a_race_that_a_person_wins_is_theirs(place: PromotionWorld) -> None:
    degrade(place)
    place.remote.write({"environments/test/kustomization.yaml": overlay("test", 2)}, "I look at it")
    with pytest.raises(Exception, match="moved"):
        place.promoter.look()
    place.look()
    assert "roll back" not in "".join(place.remote.subjects())


class TestItIsLeftToPeople:
    def assert_left(self, place: PromotionWorld) -> None:
        place.look()
        assert "roll back" not in "".join(place.remote.subjects())

    def test_where_nobody_asked_for_it(self, tmp_path: Path) -> None:
        with world(tmp_path) as place:
            place.soak()
            promote(place)
            degrade(place)
            self.assert_left(place)

    def test_after_the_time(self, place: PromotionWorld) -> None:
        degrade(place, 10.5)
        self.assert_left(place)

    def test_when_it_was_degraded_before(self, tmp_path: Path) -> None:
        with world(tmp_path, DECLARED) as place:
            place.soak()
            place.run(health={"print": Health.DEGRADED}, environments=("test",))
            place.push_image("order", 2)
            place.run(environments=("dev",))
            place.pass_time(5)
            assert place.promoter.look() == 0.0
            assert place.runs("test")["order"] == "1.2.0"
            degrade(place, 1, "print")
            self.assert_left(place)

    def test_when_somebody_has_committed_since(self, place: PromotionWorld) -> None:
        place.write({"environments/test/notes.txt": b"I look at it\n"})
        degrade(place)
        self.assert_left(place)

    def test_while_it_is_held(self, place: PromotionWorld) -> None:
        """Also when the promotion itself went past the hold."""
        place.write({HOLD: b"who: Li\nwhy: looking\nsince: 2026-11-01T00:00:00Z\n"})
        place.push_image("order", 3)
        place.soak()
        place.tag("promote/test/now", "--skip-gate hold --reason it must go out")
        place.look()
        place.run()
        assert place.runs("test")["order"] == "1.3.0"
        degrade(place)
        self.assert_left(place)

    def test_by_a_replica_that_follows(self, place: PromotionWorld) -> None:
        degrade(place)
        place.leads = False
        assert place.promoter.look() is None
        self.assert_left(place)


def test_an_overlay_of_its_own_goes_back_alone(tmp_path: Path) -> None:
    overlays = {name: service_overlay(name) for name in OVERLAYS}
    with world(tmp_path, DECLARED, overlays) as place:
        place.soak()
        for service in ("order", "print"):
            place.push_image(service, 2, f"dev/{service}")
        place.soak()
        place.run()
        degrade(place)
        place.look()
        assert place.runs("test/order") == {"order": "1.1.0"}
        assert place.runs("test/print") == {"print": "1.2.0"}
        listed = git(place.remote.directory, "ls-tree", "-r", "--name-only", "main").splitlines()
        assert [path for path in listed if path.endswith("hold.yaml")] == ["environments/test/order/hold.yaml"]
