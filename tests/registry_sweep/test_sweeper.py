"""Sweeps with real git remotes: a sweep makes the commits that lost webhooks would have made."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.adapters.registry.exchange import RegistryAccess
from gitops.adapters.registry.harbor import HarborRegistry
from gitops.adapters.registry.oci import OciRegistry
from gitops.core.errors import Rejected, Unavailable
from gitops.core.image_updates.events import ImagePushed
from gitops.core.image_updates.sweep import SweptService
from gitops.core.images.registry_facts import TaggedImage
from tests.worlds import distribution as registry_world
from tests.worlds.harbor import PASSWORD, USER, Harbor, digest, harbor
from tests.worlds.sweeps import OVERLAY, POLICIES, Shelf, SweepWorld, at, kustomization, pipeline_text, refused

HOST = "registry.example"
DAY = [
    ("print-api", "1.4.0", 1, ""),
    ("print-api", "1.6.0", 2, ""),
    ("print-api", "1.5.9", 3, ""),
    ("print-api", "2.0.0", 4, ""),
    ("order", "main-9", 5, ""),
    ("order", "main-10", 6, ""),
    ("order", "main-8", 7, ""),
    ("gallery", "build-zebra", 8, ""),
    ("gallery", "build-ant", 9, ""),
    ("design", "latest", 10, "one"),
    ("design", "latest", 11, "two"),
    ("design", "other", 12, ""),
]
NEWEST = {"print-api": "1.6.0", "order": "main-10", "gallery": "build-ant", "design": "latest"}


@pytest.fixture
def registry() -> Iterator[Harbor]:
    with harbor() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SweepWorld]:
    made = SweepWorld(tmp_path / "world", HOST)
    yield made
    made.close()


def asked(registry: Harbor) -> HarborRegistry:
    return HarborRegistry(RegistryAccess(registry.host, registry.url, lambda: (USER, PASSWORD), seconds=10.0))


def image(service: str) -> str:
    return f"{HOST}/tuling/{service}"


def filled() -> Shelf:
    shelf = Shelf()
    for service, tag, minutes, content in DAY:
        shelf.push(image(service), tag, at(minutes), content)
    return shelf


def test_sweep_after_a_day_without_webhooks_makes_the_same_commits(tmp_path: Path, registry: Harbor) -> None:
    """One controller receives every webhook. The other was down, and sweeps when it starts."""
    for service, tag, minutes, content in DAY:
        registry.push(f"tuling/{service}", tag, at(minutes), content)
    heard, down = SweepWorld(tmp_path / "heard", registry.host), SweepWorld(tmp_path / "down", registry.host)
    events = [heard.webhook(*push) for push in DAY]
    heard.committer.accept(events, delivery="d-1", deadline=60)

    found = down.sweeper({registry.host: asked(registry)}).sweep(registry.host)

    assert {each.service: each.image.tag for each in found if each.image} == NEWEST
    assert {name: held.tag for name, held in down.deployed().items()} == NEWEST
    assert down.remote.read(OVERLAY) == heard.remote.read(OVERLAY)
    assert down.trailers(but=["Lockstep-Cause"]) == heard.trailers(but=["Lockstep-Cause"])
    assert any(f"Lockstep-Cause: found by a sweep of {registry.host}" in commit for commit in down.trailers())
    assert len(down.trailers()) == len(NEWEST)
    heard.close()
    down.close()


def test_sweep_is_not_changed_by_late_webhooks(tmp_path: Path, registry: Harbor) -> None:
    for service, tag, minutes, content in DAY:
        registry.push(f"tuling/{service}", tag, at(minutes), content)
    world = SweepWorld(tmp_path / "late", registry.host)
    world.sweeper({registry.host: asked(registry)}).sweep(registry.host)
    head = world.remote.head()
    world.committer.accept([world.webhook(*push) for push in reversed(DAY)], delivery="d-1", deadline=60)
    assert world.remote.head() == head
    world.close()


@pytest.mark.timeout(1500)  # the registry may have to be built
def test_sweep_of_an_oci_registry_finds_the_newest_tags(tmp_path: Path) -> None:
    policies = {name: POLICIES[name] for name in ("print-api", "order", "design")}
    with registry_world.registry(tmp_path) as images:
        digests = {tag: images.push(f"tuling/{service}", tag, of=content) for service, tag, _, content in DAY}
        text, overlay = pipeline_text(images.host, policies), kustomization(images.host, policies)
        world = SweepWorld(tmp_path / "world", images.host, text, overlay)
        found = OciRegistry(RegistryAccess(images.host, images.url))
        world.sweeper({images.host: found}).sweep(images.host)
        deployed = world.deployed()
        assert {name: held.tag for name, held in deployed.items()} == {name: NEWEST[name] for name in policies}
        assert all(held.digest == digests[held.tag or ""] for held in deployed.values())
        head = world.remote.head()
        world.sweeper({images.host: found}).sweep(images.host)
        assert world.remote.head() == head
        world.close()


def test_sweep_does_not_hand_in_deployed_images(world: SweepWorld) -> None:
    shelf = filled()
    sweeper = world.sweeper({HOST: shelf})
    sweeper.sweep(HOST)
    assert len(world.handed_in) == len(NEWEST)
    shelf.asked.clear()
    assert [each.outcome for each in sweeper.sweep(HOST)] == ["in the config repo already"] * 4
    assert len(world.handed_in) == len(NEWEST)
    assert len(shelf.asked) == len(NEWEST), "one request for each service"


def test_sweep_between_full_ones_asks_only_for_newer_pushes(world: SweepWorld) -> None:
    shelf, now = filled(), [at(60)]
    world.now = lambda: now[0]
    sweeper = world.sweeper({HOST: shelf})
    sweeper.sweep(HOST)
    shelf.asked.clear()
    shelf.push(image("print-api"), "1.7.0", at(65))
    now[0], world.elapsed = at(70), 600.0
    sweeper.sweep(HOST)
    assert ("tags since", image("print-api")) in shelf.asked
    assert ("tags", image("print-api")) not in shelf.asked
    assert world.deployed()["print-api"].tag == "1.7.0"


def test_sweep_finds_a_new_tag_of_an_old_image_within_the_hour(world: SweepWorld, registry: Harbor) -> None:
    """Harbor sends no webhook for such a tag, and sorts it by the push time of the image."""
    harbor_image = HarborRegistry(RegistryAccess(HOST, registry.url, lambda: (USER, PASSWORD), seconds=10.0))
    old = registry.push("tuling/print-api", "1.0.0", at(0))
    for number in range(150):
        registry.push("tuling/print-api", f"1.1.{number}", at(1 + number))
    for service in ("order", "gallery", "design"):
        registry.push(f"tuling/{service}", "other", at(1))
    sweeper = world.sweeper({HOST: harbor_image})
    sweeper.sweep(HOST)
    assert world.deployed()["print-api"].tag == "1.1.149"
    registry.retag("tuling/print-api", old, "1.2.0", at(500))
    world.elapsed = 3601.0
    sweeper.sweep(HOST)
    assert (world.deployed()["print-api"].tag, world.deployed()["print-api"].digest) == ("1.2.0", old)


def test_sweep_follows_a_tag_that_moved_back(world: SweepWorld, registry: Harbor) -> None:
    harbor_image = HarborRegistry(RegistryAccess(HOST, registry.url, lambda: (USER, PASSWORD), seconds=10.0))
    one = registry.push("tuling/design", "latest", at(1), "one")
    two = registry.push("tuling/design", "latest", at(2), "two")
    sweeper = world.sweeper({HOST: harbor_image})
    sweeper.sweep(HOST)
    assert world.deployed()["design"].digest == two
    registry.retag("tuling/design", one, "latest", at(3))
    sweeper.sweep(HOST)
    assert world.deployed()["design"].digest == one


def test_sweep_waits_for_the_end_of_a_hold(world: SweepWorld) -> None:
    shelf, now = filled(), [at(60)]
    world.now = lambda: now[0]
    hold = b"who: ann\nwhy: demo\nsince: 2026-01-01T00:00:00Z\n"
    world.remote.write({"environments/dev/hold.yaml": hold}, "hold")
    sweeper = world.sweeper({HOST: shelf})
    found = sweeper.sweep(HOST)
    assert all("held by ann" in each.outcome for each in found)
    assert not world.deployed()
    now[0], world.elapsed = at(100), 2400.0
    assert all("held by ann" in each.outcome for each in sweeper.sweep(HOST)), (
        "the sweeper remembers the image, though it was not pushed since"
    )
    world.remote.write({"environments/dev/hold.yaml": hold + b"until: 2026-02-01T00:00:00Z\n"}, "the hold is over")
    sweeper.sweep(HOST)
    assert {name: held.tag for name, held in world.deployed().items()} == NEWEST


def test_sweep_does_not_bring_back_a_rejected_image(world: SweepWorld) -> None:
    shelf = filled()
    abandoned = shelf.tagged_at[image("print-api"), "1.6.0"].digest
    rejected = f"rejected: [{{service: print-api, digest: '{abandoned}'}}]\n".encode()
    world.remote.write({"environments/dev/release.yaml": rejected}, "roll back")
    found = {each.service: each.outcome for each in world.sweeper({HOST: shelf}).sweep(HOST)}
    assert found["print-api"] == "dev: print-api 1.6.0 was rolled back; push a new image"
    assert "print-api" not in world.deployed()


@pytest.mark.parametrize("seconds", [-3, 0, 3])
def test_sweep_does_not_undo_a_revert_by_hand_though_clocks_differ(world: SweepWorld, seconds: int) -> None:
    before = world.remote.read(OVERLAY)
    shelf = Shelf()
    pushed = shelf.push(image("print-api"), "1.6.0", at(2) + timedelta(seconds=seconds))
    event = ImagePushed(image("print-api"), "1.6.0", pushed, at(2))
    world.committer.accept([event], delivery="d", deadline=60)
    world.remote.write({OVERLAY: before}, "back, by hand")
    world.sweeper({HOST: shelf}).sweep(HOST)
    assert "was written before and has been replaced since" in _outcome(world, shelf, "print-api")
    assert "print-api" not in world.deployed()


def _outcome(world: SweepWorld, shelf: Shelf, service: str) -> str:
    return next(each.outcome for each in world.sweeper({HOST: shelf}).sweep(HOST, [service]))


def test_sweep_does_not_undo_a_revert_by_hand_without_push_times(world: SweepWorld) -> None:
    before = world.remote.read(OVERLAY)
    shelf = Shelf(has_times=False)
    shelf.push(image("design"), "latest", at(1))
    world.sweeper({HOST: shelf}).sweep(HOST, ["design"])
    assert "design" in world.deployed()
    world.remote.write({OVERLAY: before}, "back, by hand")
    assert "was written before and has been replaced since" in _outcome(world, shelf, "design")


def test_sweep_refuses_order_pushed_without_push_times_and_sweeps_the_others(world: SweepWorld) -> None:
    shelf = Shelf(has_times=False)
    for service, tag, minutes, content in DAY:
        shelf.push(image(service), tag, at(minutes), content)
    sweeper = world.sweeper({HOST: shelf})
    sweeper.sweep(HOST)
    (state,) = sweeper.states()
    assert len(state.notes) == 1
    assert state.notes[0].startswith("gallery: its tags are ordered by push time (order: pushed), which")
    assert state.failing_since is None
    assert sorted(world.deployed()) == ["design", "order", "print-api"]


def test_sweep_without_push_times_yields_to_a_push_meanwhile(world: SweepWorld) -> None:
    """The sweep has seen the older image, and hands it in after the webhook of the newer one."""
    shelf = Shelf(has_times=False)
    shelf.push(image("design"), "latest", at(1), "older")
    newer = digest("newer")

    def heard_meanwhile() -> None:
        event = ImagePushed(image("design"), "latest", newer, world.now())
        world.committer.accept([event], delivery="d-1", deadline=60)

    world.before_handing_in = heard_meanwhile
    world.sweeper({HOST: shelf}).sweep(HOST, ["design"])
    assert world.deployed()["design"].digest == newer


def test_sweep_without_push_times_accepts_a_single_tag(world: SweepWorld) -> None:
    shelf = Shelf(has_times=False)
    shelf.push(image("gallery"), "build-1", at(1))
    sweeper = world.sweeper({HOST: shelf})
    for _ in range(2):
        sweeper.sweep(HOST, ["gallery"])
        assert world.deployed()["gallery"].tag == "build-1"


def test_sweep_notes_a_repository_that_does_not_exist_yet(world: SweepWorld) -> None:
    shelf = filled()
    shelf.error = refused("NotFound")
    sweeper = world.sweeper({HOST: shelf})
    sweeper.sweep(HOST)
    (state,) = sweeper.states()
    assert state.failing_since is None
    assert len(state.notes) == 4


def test_sweep_notes_a_forbidden_project_and_sweeps_the_others(world: SweepWorld) -> None:
    shelf = filled()
    shelf.errors[image("order")] = refused("Forbidden")
    sweeper = world.sweeper({HOST: shelf})
    sweeper.sweep(HOST)
    (state,) = sweeper.states()
    assert state.failing_since is None
    assert state.notes == ("order: Forbidden, says the registry",)
    assert sorted(world.deployed()) == ["design", "gallery", "print-api"]
    with pytest.raises(Rejected):
        sweeper.sweep(HOST, ["order"])


@pytest.mark.parametrize("error", [Unavailable("RegistryUnreachable", "no answer"), refused("Unauthorized")])
def test_sweep_state_shows_a_failing_registry_until_it_answers(
    world: SweepWorld, error: Unavailable | Rejected
) -> None:
    shelf, other = filled(), Shelf()
    shelf.error = error
    sweeper = world.sweeper({HOST: shelf, "other.example": other})
    for _ in range(2):
        with pytest.raises(type(error)):
            sweeper.sweep(HOST)
    assert len(shelf.asked) < 2 * len(POLICIES) + 1
    sweeper.sweep("other.example")
    failing, fine = sweeper.states()
    assert (failing.host, failing.reason, failing.swept_at) == (HOST, error.reason, None)
    assert failing.failing_since is not None
    assert (fine.host, fine.failing_since) == ("other.example", None)
    shelf.error = None
    sweeper.sweep(HOST)
    assert sweeper.states()[0].failing_since is None
    assert {name: held.tag for name, held in world.deployed().items()} == NEWEST


def test_sweep_whose_commit_is_refused_is_repeated_and_not_the_registrys_failure(
    world: SweepWorld,
) -> None:
    hook = world.remote.hook("pre-receive", "echo not today; exit 1\n")
    sweeper = world.sweeper({HOST: filled()})
    with pytest.raises(Unavailable) as failed:
        sweeper.sweep(HOST)
    assert failed.value.reason == "PushRefused"
    assert sweeper.states()[0].failing_since is None
    hook.unlink()
    sweeper.sweep(HOST)
    assert {name: held.tag for name, held in world.deployed().items()} == NEWEST


def test_sweep_notes_several_forbidden_projects_in_any_order(world: SweepWorld) -> None:
    shelf = filled()
    for service in list(POLICIES)[:3]:
        shelf.errors[image(service)] = refused("Forbidden")
    sweeper = world.sweeper({HOST: shelf})
    sweeper.sweep(HOST)
    (state,) = sweeper.states()
    assert state.failing_since is None
    assert len(state.notes) == 3
    assert sorted(world.deployed()) == ["design"]


def test_sweep_does_not_try_a_wrong_password_for_every_service(tmp_path: Path) -> None:
    policies = {f"service-{number}": "{follow: latest}" for number in range(40)}
    world = SweepWorld(tmp_path, HOST, pipeline_text(HOST, policies), kustomization(HOST, policies))
    shelf = Shelf()
    shelf.error = refused("Unauthorized")
    with pytest.raises(Rejected):
        world.sweeper({HOST: shelf}).sweep(HOST)
    assert len(shelf.asked) < len(policies)
    world.close()


def test_sweep_reports_services_found_before_the_registry_failed(world: SweepWorld) -> None:
    shelf = filled()
    shelf.errors[image("design")] = Unavailable("RegistryUnreachable", "no answer")
    told: list[str] = []

    class Listener:
        def found(self, services: Sequence[SweptService]) -> None:
            told.extend(each.service for each in services)

    with pytest.raises(Unavailable):
        world.sweeper({HOST: shelf}).sweep(HOST, listener=Listener())
    assert "design" not in told
    assert sorted(told) == sorted(world.deployed())
    assert told


def test_sweep_that_is_halted_is_not_a_failure(world: SweepWorld) -> None:
    sweeper = world.sweeper({HOST: filled()})
    sweeper.halt()
    with pytest.raises(Unavailable) as stopped:
        sweeper.sweep(HOST)
    assert stopped.value.reason == "Stopping"
    assert sweeper.states()[0].failing_since is None


def test_sweep_state_shows_a_bug(world: SweepWorld) -> None:
    class Broken(Shelf):
        def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
            raise OverflowError

    sweeper = world.sweeper({HOST: Broken()})
    with pytest.raises(OverflowError):
        sweeper.sweep(HOST)
    (state,) = sweeper.states()
    assert state.reason == "InternalError"
    assert state.failing_since is not None


def test_sweep_of_a_slow_registry_does_not_delay_another(tmp_path: Path) -> None:
    policies = {**{f"service-{number}": "{follow: latest}" for number in range(8)}, "elsewhere": "{follow: latest}"}
    text = pipeline_text(HOST, policies).replace(
        b"registry.example/tuling/elsewhere", b"other.example/tuling/elsewhere"
    )
    world = SweepWorld(tmp_path, HOST, text, kustomization(HOST, policies))
    answers, is_asked = threading.Event(), threading.Event()

    class Slow(Shelf):
        def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
            if len(self.asked) >= 3:
                is_asked.set()
            found = super().image_of_tag(image, tag)
            assert answers.wait(20)
            return found

    sweeper = world.sweeper({HOST: Slow(), "other.example": Shelf()})
    slow = threading.Thread(target=sweeper.sweep, args=[HOST])
    slow.start()
    try:
        assert is_asked.wait(30)
        (found,) = sweeper.sweep("other.example")
        assert found.outcome == "no tag that its policy follows"
        assert slow.is_alive()
        assert not answers.is_set()
        assert sweeper.states()[0].failing_since is None
    finally:
        answers.set()
        slow.join()
        world.close()


def test_sweep_state_names_a_registry_without_configuration(tmp_path: Path) -> None:
    text = pipeline_text(HOST, registry=", sweep: {every: 5m}")
    world = SweepWorld(tmp_path, HOST, text)
    (state,) = world.sweeper({}).states()
    assert (state.host, state.reason, state.failing_since) == (HOST, "RegistryUnknown", None)
    assert state.message.startswith(f"to be swept every 5m (pipeline.yaml), but lockstep.yaml has no registries.{HOST}")
    (known,) = world.sweeper({HOST: Shelf()}).states()
    assert (known.host, known.reason, known.swept_at) == (HOST, "", None)
    world.close()


def test_sweep_may_be_limited_to_services(world: SweepWorld) -> None:
    shelf = filled()
    world.sweeper({HOST: shelf}).sweep(HOST, ["order"])
    assert {about for _, about in shelf.asked} == {image("order")}
    assert sorted(world.deployed()) == ["order"]
