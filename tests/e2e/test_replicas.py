"""Two controllers of one installation: one leads, the other commits what it is told and waits."""

import signal

import pytest

from gitops.core.ownership.applyset import REQUESTED_AT_ANNOTATION, parent_name
from gitops.local.announce import delivery
from tests.e2e import config_repo
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import GIT_SECRET, SYSTEM, World
from tests.e2e.invariants import Checker
from tests.e2e.process import Controller
from tests.worlds.git import git


class Pair:
    """A leader and a follower, checked from the beginning."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checker = Checker(world)
        self.leader = world.start("state-1")
        self.leader.until_leading()
        self.follower = world.start("state-2")
        self.checker.until_converged()

    def replace_leader(self, state: str) -> None:
        """The follower leads from now on; a new replica follows."""
        self.follower.until_leading()
        self.leader, self.follower = self.follower, self.world.start(state)

    def require_whole(self) -> None:
        self.checker.until_converged()
        assert self.checker.violations() == []


@pytest.fixture(scope="module")
def pair(worlds: MakeWorld) -> Pair:
    return Pair(worlds())


def _leads(controller: Controller) -> bool:
    return any(line["message"] == "leadership begins" for line in controller.heard())


def test_a_webhook_to_the_follower_is_committed_there_and_applied_by_the_leader(pair: Pair) -> None:
    """Long before the next poll: the follower tells the leader."""
    sent = pair.world.push_image("shop", "1.1.0", controller=pair.follower)
    assert sent.is_acked
    assert sent.digest in git(pair.world.remote, "log", "-1", "--format=%B", "main")
    pair.world.until_image(pair.world.names.dev, "shop", "1.1.0")
    pair.leader.until("applied")
    assert not _leads(pair.follower)
    assert not any(line["message"] == "applied" for line in pair.follower.heard())
    pair.require_whole()


def test_a_push_that_the_follower_hears_of_is_applied_by_the_leader(pair: Pair) -> None:
    """A git host announces a push once, and to one replica only."""
    world = pair.world
    files = config_repo.extra(world.names, heard=config_repo.config_map("heard", text="by the follower"))
    commit = world.edit(files, tell=False)
    assert world.announce(commit, controller=pair.follower).status == 200
    found = world.console.until_one("ConfigMap", world.names.dev, "heard", lambda _: True)
    assert found["data"] == {"text": "by the follower"}
    assert not _leads(pair.follower)


def test_a_tag_that_the_follower_hears_of_is_news_for_the_leader_too(pair: Pair) -> None:
    """Where an environment has an overlay for each service there is no parent of its own name to be touched."""
    world, environment = pair.world, pair.world.names.split
    world.until_ready()
    line = f"{'0' * 40} {'1' * 40} refs/tags/promote/{environment}/friday"
    body, headers = delivery(line, str(world.remote), GIT_SECRET.encode())
    assert world.post("git-host", body, headers, controller=pair.follower).status == 200
    world.console.until_one(
        "ConfigMap",
        SYSTEM,
        parent_name(f"{environment}/desk"),
        lambda parent: REQUESTED_AT_ANNOTATION in parent["metadata"]["annotations"],
    )


def test_the_page_of_a_follower_shows_what_the_leader_knows(pair: Pair) -> None:
    pair.world.until_ready()
    answer = pair.world.page("/", pair.follower)
    assert answer.status == 200
    assert all(overlay in answer.text for overlay in pair.world.overlays)


def test_a_follower_works_out_parity_and_the_past_by_itself(pair: Pair) -> None:
    dev, prod = pair.world.names.dev, pair.world.names.prod
    for path in (f"/parity/{dev}/{prod}", "/promotions"):
        assert pair.world.page(path, pair.follower).status == 200
    pair.follower.until("compared", pair=f"{dev} {prod}")
    pair.follower.until("the past is read")
    assert '"state": "current"' in pair.world.page(f"/api/v1/parity/{dev}/{prod}", pair.follower).text
    assert "sha256:" in pair.world.page("/api/v1/images/shop", pair.follower).text


def test_the_follower_takes_over_when_the_leader_is_killed(pair: Pair) -> None:
    world, dead = pair.world, pair.leader
    world.person.push(config_repo.extra(world.names, one=config_repo.config_map("one", n="1")), "nobody is told")
    dead.kill()
    assert world.push_image("shop", "1.2.0", controller=pair.follower).is_acked
    pair.follower.until_leading()
    world.until_image(world.names.dev, "shop", "1.2.0")
    pair.require_whole()
    pair.replace_leader("state-3")


def test_a_leader_that_slept_past_its_lease_does_no_damage(pair: Pair) -> None:
    """It wakes up in the middle of a pass, with an old head in its mind, while another one has gone further."""
    world, sleeper = pair.world, pair.leader
    assert not _leads(pair.follower)
    trap = world.sleep_at_apply(sleeper)
    assert world.push_image("shop", "1.3.0", controller=sleeper).is_acked
    assert trap.sprung.wait(20)
    assert world.push_image("shop", "1.4.0", controller=pair.follower).is_acked
    pair.follower.until_leading()
    world.until_image(world.names.dev, "shop", "1.4.0")
    pair.checker.until_converged()
    sleeper.signal(signal.SIGCONT)
    sleeper.until("leadership ends")
    assert world.push_image("shop", "1.5.0", controller=sleeper).is_acked, "it goes on as a follower"
    world.until_image(world.names.dev, "shop", "1.5.0")
    pair.require_whole()


def test_a_leader_that_slept_while_another_led_and_gave_back_begins_anew(worlds: MakeWorld) -> None:
    """Nobody holds the Lease when it wakes up: it must not go on as if nothing had happened."""
    world = worlds()
    sleeper = world.start("state-1")
    sleeper.until_leading()
    world.until_ready()
    follower = world.start("state-2")
    sleeper.signal(signal.SIGSTOP)
    follower.until_leading()
    assert world.push_image("shop", "1.1.0", controller=follower).is_acked
    world.until_image(world.names.dev, "shop", "1.1.0")
    follower.stop()
    sleeper.signal(signal.SIGCONT)
    sleeper.until("leadership ends")
    assert world.push_image("shop", "1.2.0", controller=sleeper).is_acked
    world.until_image(world.names.dev, "shop", "1.2.0")
    assert [line["message"] for line in sleeper.heard() if str(line["message"]).startswith("leadership")] == [
        "leadership begins",
        "leadership ends",
        "leadership begins",
    ]
