"""The automatic rollback of a promotion whose environment is Degraded soon after. Real git, real kustomize."""

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
    """Order 1.2.0 was promoted to test and runs there."""
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
    """Make order, or the named workloads, Degraded in test after `minutes`."""
    place.pass_time(minutes)
    place.run(health=dict.fromkeys(names or ("order",), Health.DEGRADED), environments=("test",))


def test_auto_rollback_writes_the_release_that_a_manual_rollback_writes(place: PromotionWorld) -> None:
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


def test_auto_rollback_happens_once_and_is_never_rolled_back(place: PromotionWorld) -> None:
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


def test_auto_rollback_survives_a_restart_and_a_long_pause(place: PromotionWorld) -> None:
    """The replica that led before saw the environment degrade, and died."""
    degrade(place)
    place.begin()
    place.now += timedelta(hours=9)
    place.look()
    assert place.runs("test")["order"] == "1.1.0"
    assert "degraded 4 min after" in place.last()


def test_auto_rollback_is_decided_again_after_a_conflict(place: PromotionWorld) -> None:
    degrade(place)
    place.remote.write({"README.md": b"hello\n"}, "somebody was faster")
    with pytest.raises(Exception, match="moved"):
        place.promoter.promote_all()
    place.look()
    assert place.runs("test")["order"] == "1.1.0"
    assert place.remote.subjects()[1] == "somebody was faster"


def test_auto_rollback_yields_to_a_person_who_edited_the_overlay_first(place: PromotionWorld) -> None:
    degrade(place)
    place.remote.write({"environments/test/kustomization.yaml": overlay("test", 2)}, "I look at it")
    with pytest.raises(Exception, match="moved"):
        place.promoter.promote_all()
    place.look()
    assert "roll back" not in "".join(place.remote.subjects())


class TestAutoRollbackLeavesItToPeople:
    def assert_left(self, place: PromotionWorld) -> None:
        place.look()
        assert "roll back" not in "".join(place.remote.subjects())

    def test_auto_rollback_is_off_unless_pipeline_declares_it(self, tmp_path: Path) -> None:
        with world(tmp_path) as place:
            place.soak()
            promote(place)
            degrade(place)
            self.assert_left(place)

    def test_auto_rollback_ignores_degradation_after_its_time_limit(self, place: PromotionWorld) -> None:
        degrade(place, 10.5)
        self.assert_left(place)

    def test_auto_rollback_ignores_an_overlay_that_was_degraded_before(self, tmp_path: Path) -> None:
        with world(tmp_path, DECLARED) as place:
            place.soak()
            place.run(health={"print": Health.DEGRADED}, environments=("test",))
            place.push_image("order", 2)
            place.run(environments=("dev",))
            place.pass_time(5)
            assert place.promoter.promote_all() == 0.0
            assert place.runs("test")["order"] == "1.2.0"
            degrade(place, 1, "print")
            self.assert_left(place)

    def test_auto_rollback_ignores_an_overlay_that_a_person_edited_since(self, place: PromotionWorld) -> None:
        place.write({"environments/test/notes.txt": b"I look at it\n"})
        degrade(place)
        self.assert_left(place)

    def test_auto_rollback_ignores_a_held_environment(self, place: PromotionWorld) -> None:
        """The hold counts even if the promotion itself skipped the gate `hold`."""
        place.write({HOLD: b"who: Li\nwhy: looking\nsince: 2026-11-01T00:00:00Z\n"})
        place.push_image("order", 3)
        place.soak()
        place.tag("promote/test/now", "--skip-gate hold --reason it must go out")
        place.look()
        place.run()
        assert place.runs("test")["order"] == "1.3.0"
        degrade(place)
        self.assert_left(place)

    def test_auto_rollback_is_not_done_by_a_follower(self, place: PromotionWorld) -> None:
        degrade(place)
        place.leads = False
        assert place.promoter.promote_all() is None
        self.assert_left(place)


def test_auto_rollback_of_a_service_overlay_leaves_the_others(tmp_path: Path) -> None:
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
