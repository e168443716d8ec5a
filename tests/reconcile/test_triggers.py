"""The triggers: which queues and overlays a push, a scan or a deletion wakes. Real config repo."""

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gitops.core.config_repo.tree import Tree
from gitops.core.image_updates.events import ConfigPushed, ImageDeleted, ImageScanned
from gitops.reconcile.triggers import Triggers
from gitops.runtime.workqueue import Backoff, Workqueue
from tests.desired.test_desired_state import Place
from tests.worlds.ports import Names, RecordedLeader

URLS = ("https://git.example/platform/config",)
IMAGE = "registry.example/app"
DEPLOYED, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@dataclass
class World:
    """One config repo, the woken queue, and the passes requested from the leader."""

    place: Place
    tasks: Names = field(default_factory=Names)
    relay: RecordedLeader = field(default_factory=RecordedLeader)

    @property
    def looked(self) -> list[str]:
        return self.tasks.names

    @property
    def requested(self) -> list[tuple[str, ...]]:
        return self.relay.requested

    def triggers(self) -> Triggers:
        return Triggers(self.place.repo, "main", self.place.desired, self.tasks, self.relay)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    place = Place(tmp_path)
    place.refresh()
    yield World(place)
    place.repo.close()


LOOKING = f"looking whether an overlay of the trunk names {IMAGE} (aaaaaaaaaaaa)"


def push(ref: str | None, after: str | None = "f" * 40) -> ConfigPushed:
    return ConfigPushed(URLS, ref, after)


def test_trunk_push_is_fetched_here_and_by_the_leader(world: World) -> None:
    assert world.triggers().config_pushed(push("refs/heads/main")) == "looking at the trunk's new head"
    assert world.looked == ["fetch"]
    assert world.requested == [("dev", "prod")]


def test_trunk_push_of_a_known_head_costs_no_fetch_and_asks_the_leader(world: World) -> None:
    """A follower may know the head before the leader does."""
    head = world.place.desired.head()
    assert world.triggers().config_pushed(push("refs/heads/main", head)) == f"already at {head[:12]}"
    assert not world.looked
    assert world.requested == [("dev", "prod")]


def test_trunk_push_back_to_a_known_head_is_fetched_while_another_one_is_due(world: World) -> None:
    triggers, head = world.triggers(), world.place.desired.head()
    triggers.config_pushed(push("refs/heads/main", "b" * 40))
    assert triggers.config_pushed(push("refs/heads/main", head)) == "looking at the trunk's new head"
    assert triggers.config_pushed(push("refs/heads/main", head)).startswith("already at")
    triggers.config_pushed(push(None))
    assert triggers.config_pushed(push("refs/heads/main", head)) == "looking at the trunk's new head"
    assert world.looked == ["fetch"] * 4


def test_trunk_push_that_deletes_or_forces_back_is_fetched(world: World) -> None:
    for after in (None, "0" * 39 + "1"):
        assert world.triggers().config_pushed(push("refs/heads/main", after)) == "looking at the trunk's new head"
    assert world.looked == ["fetch", "fetch"]


@pytest.mark.parametrize("tag", ["promote/prod/42", "approve/prod/42"])
@pytest.mark.parametrize("after", ["f" * 40, None], ids=["made", "deleted"])
def test_request_tag_push_reads_the_tags(world: World, tag: str, after: str | None) -> None:
    assert world.triggers().config_pushed(push(f"refs/tags/{tag}", after)) == "looking at what was asked for"
    assert world.looked == ["tags"]
    assert world.requested == [("prod",)]


@pytest.mark.parametrize("ref", ["refs/heads/feature/x", "refs/heads/mainly", "refs/tags/v1.0.0", "refs/tags/promoted"])
def test_push_of_another_ref_is_answered_with_the_reason(world: World, ref: str) -> None:
    assert world.triggers().config_pushed(push(ref)) == f"{ref} is not the trunk; nothing depends on it"
    assert not world.looked


def test_push_without_a_ref_looks_at_everything(world: World) -> None:
    assert world.triggers().config_pushed(push(None, None)).startswith("looking at everything")
    assert world.looked == ["fetch"]


def test_request_tag_of_an_unknown_environment_wakes_no_overlay(world: World) -> None:
    world.triggers().config_pushed(push("refs/tags/promote/moon/1"))
    assert world.requested == [()]


def test_scan_wakes_the_promoter(world: World) -> None:
    answer = world.triggers().registry_news(ImageScanned(IMAGE, OTHER))
    assert answer == f"looking at what waits for the scan of {IMAGE} (bbbbbbbbbbbb)"
    assert world.looked == ["promote"]
    assert world.requested == [("dev", "prod")]


def deploy(place: Place, environment: str, digest: str) -> None:
    file = f"environments/{environment}/kustomization.yaml"
    entry = f'images: [{{name: {IMAGE}, newTag: "1.0.0", digest: "{digest}"}}]'
    place.push({file: f"namespace: shop-{environment}\nresources: [../../base/app]\n{entry}\n".encode()})


def test_deletion_of_a_deployed_image_is_answered_and_logged_with_its_overlays(world: World) -> None:
    triggers = world.triggers()
    gone = ImageDeleted(IMAGE, DEPLOYED, "1.0.0")
    assert triggers.registry_news(gone) == LOOKING
    triggers.take_in()
    assert triggers.registry_news(gone) == f"no overlay of the trunk names {IMAGE} (aaaaaaaaaaaa)"
    for environment in ("dev", "prod"):
        deploy(world.place, environment, DEPLOYED)
    with capture_logs() as logs:
        assert {triggers.registry_news(gone) for _ in range(3)} == {LOOKING}
        assert not logs
        triggers.take_in()
        (answer,) = {triggers.registry_news(gone) for _ in range(3)}
    assert answer.startswith(f"dev, prod: names {IMAGE} (aaaaaaaaaaaa), which the registry no longer has")
    assert [entry["deployed_in"] for entry in logs] == ["dev, prod"]
    deploy(world.place, "prod", OTHER)
    assert triggers.registry_news(gone) == LOOKING
    triggers.take_in()
    assert triggers.registry_news(gone).startswith(f"dev: names {IMAGE}")
    assert set(world.looked) == {"refresh"}


class UnreadableTrees:
    """A clone during a fetch: a reader would have to wait."""

    def tree(self, revision: str) -> Tree:
        raise AssertionError(revision)

    def read(self, blob: str) -> bytes:
        raise AssertionError(blob)


def test_deletion_is_answered_without_waiting_for_the_clone(world: World) -> None:
    triggers = Triggers(UnreadableTrees(), "main", world.place.desired, world.tasks, world.relay)
    for _ in range(3):
        assert triggers.registry_news(ImageDeleted(IMAGE, DEPLOYED)) == LOOKING


def test_deletions_at_the_same_time_are_each_answered_with_their_overlays(world: World) -> None:
    for environment in ("dev", "prod"):
        deploy(world.place, environment, DEPLOYED)
    triggers = world.triggers()
    triggers.registry_news(ImageDeleted(IMAGE, DEPLOYED))
    triggers.take_in()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with capture_logs(), ThreadPoolExecutor(8) as pool:
            news = [ImageDeleted(f"{IMAGE}-{number}", DEPLOYED) for number in range(4000)]
            answers = list(pool.map(triggers.registry_news, news))
    finally:
        sys.setswitchinterval(before)
    assert all(answer.startswith("dev, prod: names") for answer in answers)


def test_triggers_work_before_the_first_fetch(tmp_path: Path) -> None:
    place = Place(tmp_path)
    world = World(place)
    triggers = world.triggers()
    assert triggers.registry_news(ImageDeleted(IMAGE, DEPLOYED)) == LOOKING
    triggers.take_in()
    assert triggers.config_pushed(push("refs/heads/main")) == "looking at the trunk's new head"
    assert world.looked == ["refresh", "fetch"]
    place.repo.close()


def test_pushes_during_a_fetch_cause_exactly_one_more(world: World) -> None:
    """A delivery that arrives during a fetch is not lost, and a hundred deliveries do not cause a hundred fetches."""
    place, passes = world.place, list[str]()
    entered, leave, done = threading.Event(), threading.Event(), threading.Semaphore(0)

    def work(name: str) -> None:
        place.refresh()
        passes.append(name)
        entered.set()
        assert leave.wait(20)
        done.release()

    backoff = Backoff(lambda: 0.0, first=0.01, most=0.05)
    queue = Workqueue(backoff=backoff, clock=time.monotonic, workers=2)
    triggers = Triggers(place.repo, "main", place.desired, queue, RecordedLeader())
    queue.start(work)
    try:
        triggers.config_pushed(push("refs/heads/main"))
        assert entered.wait(20)
        for count in range(100):
            if count % 20 == 0:
                place.remote.write({"note": str(count).encode()}, f"push {count}")
            triggers.config_pushed(push("refs/heads/main", place.remote.head()))
        leave.set()
        assert done.acquire(timeout=20)
        assert done.acquire(timeout=20)
        assert place.desired.head() == place.remote.head()
        assert triggers.config_pushed(push("refs/heads/main", place.remote.head())).startswith("already at")
        queue.add("fence")
        assert done.acquire(timeout=20)
        assert passes == ["fetch", "fetch", "fence"]
    finally:
        leave.set()
        queue.stop(20)
