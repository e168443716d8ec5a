"""Two controllers of one installation: the leader reconciles, the follower commits webhooks and waits."""

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
    """A leader and a follower, with the invariants checked from the start."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checker = Checker(world)
        self.leader = world.start("state-1")
        self.leader.until_leading()
        self.follower = world.start("state-2")
        self.checker.until_converged()

    def replace_leader(self, state: str) -> None:
        """Makes the follower the leader; a new replica follows."""
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


def test_follower_commits_a_webhook_and_the_leader_applies_it(pair: Pair) -> None:
    """Long before the next poll, because the follower notifies the leader."""
    sent = pair.world.push_image("shop", "1.1.0", controller=pair.follower)
    assert sent.is_acked
    assert sent.digest in git(pair.world.remote, "log", "-1", "--format=%B", "main")
    pair.world.until_image(pair.world.names.dev, "shop", "1.1.0")
    pair.leader.until("applied")
    assert not _leads(pair.follower)
    assert not any(line["message"] == "applied" for line in pair.follower.heard())
    pair.require_whole()


def test_follower_passes_a_git_push_on_to_the_leader(pair: Pair) -> None:
    """A git host sends a webhook once, to one replica only."""
    world = pair.world
    files = config_repo.extra(world.names, heard=config_repo.config_map("heard", text="by the follower"))
    commit = world.edit(files, tell=False)
    assert world.announce(commit, controller=pair.follower).status == 200
    found = world.console.until_one("ConfigMap", world.names.dev, "heard", lambda _: True)
    assert found["data"] == {"text": "by the follower"}
    assert not _leads(pair.follower)


def test_follower_passes_a_request_tag_on_to_the_leader(pair: Pair) -> None:
    """An environment with one overlay per service has no parent of its own name that could be annotated."""
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


def test_follower_s_page_shows_the_leader_s_status(pair: Pair) -> None:
    pair.world.until_ready()
    answer = pair.world.page("/", pair.follower)
    assert answer.status == 200
    assert all(overlay in answer.text for overlay in pair.world.overlays)


def test_follower_computes_parity_and_history_itself(pair: Pair) -> None:
    dev, prod = pair.world.names.dev, pair.world.names.prod
    for path in (f"/parity/{dev}/{prod}", "/promotions"):
        assert pair.world.page(path, pair.follower).status == 200
    pair.follower.until("compared", pair=f"{dev} {prod}")
    pair.follower.until("git history read")
    assert '"state": "current"' in pair.world.page(f"/api/v1/parity/{dev}/{prod}", pair.follower).text
    assert "sha256:" in pair.world.page("/api/v1/images/shop", pair.follower).text


def test_follower_takes_over_when_the_leader_is_killed(pair: Pair) -> None:
    world, dead = pair.world, pair.leader
    world.person.push(config_repo.extra(world.names, one=config_repo.config_map("one", n="1")), "nobody is told")
    dead.kill()
    assert world.push_image("shop", "1.2.0", controller=pair.follower).is_acked
    pair.follower.until_leading()
    world.until_image(world.names.dev, "shop", "1.2.0")
    pair.require_whole()
    pair.replace_leader("state-3")


def test_leader_that_slept_past_its_lease_does_no_damage(pair: Pair) -> None:
    """It wakes up in the middle of a pass with an old head, while another leader has applied a newer one."""
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


def test_leader_that_slept_while_another_led_starts_afresh(worlds: MakeWorld) -> None:
    """The Lease is free when it wakes up; it must not continue with its old state."""
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
