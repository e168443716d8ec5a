"""Parties that go away and come back: the page answers meanwhile, and all is caught up without anybody's help."""

import pytest

from tests.adapters.kubernetes_world import eventually
from tests.e2e import config_repo
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import Settings, World
from tests.e2e.invariants import Checker


@pytest.fixture(scope="module")
def polling(worlds: MakeWorld) -> tuple[World, Checker]:
    """An installation that no git host tells anything."""
    world = worlds(Settings(poll="1s"))
    checker = Checker(world)
    world.start()
    checker.until_converged()
    return world, checker


def test_a_push_that_nobody_announces_is_found(polling: tuple[World, Checker]) -> None:
    world, checker = polling
    world.edit(config_repo.extra(world.names, quiet=config_repo.config_map("quiet", n="1")), tell=False)
    world.console.until_one("ConfigMap", world.names.dev, "quiet", lambda _: True)
    checker.until_converged()
    assert checker.violations() == []


def test_the_config_repo_goes_away_and_comes_back(polling: tuple[World, Checker]) -> None:
    """Meanwhile: 503 for senders, so that they try again; drift is healed; the page says what is wrong."""
    world, checker = polling
    away = world.remote.rename(world.remote.with_name("away.git"))
    eventually(lambda: "RemoteUnreachable" in world.page("/api/v1/status").text)
    sent = world.push_image("shop", "1.1.0")
    assert sent.answer
    assert sent.answer.status == 503
    world.console.delete("Service", world.names.dev, "shop")
    world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
    assert world.page("/").status == 200
    away.rename(world.remote)
    world.push_until_acked(sent)
    world.until_image(world.names.dev, "shop", "1.1.0")
    eventually(lambda: "RemoteUnreachable" not in world.page("/api/v1/status").text)
    checker.until_converged()
    assert checker.violations() == []


def test_the_api_server_goes_away_and_comes_back(polling: tuple[World, Checker]) -> None:
    """Meanwhile: pushes are committed as ever, since only git is needed for that; the page answers."""
    world, checker = polling
    before = len(world.controller.heard())
    world.proxy.cut()
    eventually(lambda: any("interrupted" in line["message"] for line in world.controller.heard()[before:]))
    assert world.push_image("shop", "1.2.0").is_acked
    assert world.page("/").status in {200, 503}
    assert world.page("/healthz").status == 200
    world.console.delete("Service", world.names.dev, "shop")
    world.proxy.mend()
    world.until_image(world.names.dev, "shop", "1.2.0")
    world.console.until_one("Service", world.names.dev, "shop", lambda _: True)
    checker.until_converged()
    assert checker.violations() == []


def test_a_start_while_the_api_server_is_away(polling: tuple[World, Checker]) -> None:
    world, checker = polling
    world.controller.kill()
    world.proxy.cut()
    world.start()
    assert world.page("/").status in {200, 503}
    assert world.push_image("shop", "1.3.0").is_acked
    desk = world.push_image("desk", "1.3.0")
    assert desk.answer
    assert f"no container of overlay {world.names.dev} uses" in desk.answer.text, "which needs no cluster to be known"
    world.proxy.mend()
    world.until_image(world.names.dev, "shop", "1.3.0")
    checker.until_converged()
    assert checker.violations() == []
