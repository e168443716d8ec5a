"""Sweeps after a time without a controller: a registry with pushes that no webhook announced."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.config_repo import REGISTRY
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import HARBOR_SECRET, SYSTEM, Settings, World
from tests.worlds.harbor import PASSWORD, USER, Harbor, harbor
from tests.worlds.kubernetes import eventually

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry() -> Iterator[Harbor]:
    with harbor() as made:
        made.push("demo/shop", "1.0.0", NOON)
        made.push("demo/desk", "1.0.0", NOON)
        yield made


@pytest.fixture(scope="module")
def caught_up(worlds: MakeWorld, registry: Harbor, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An installation that received no webhook and found the images by a sweep."""
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "name").write_text(USER)
    (secrets / "password").write_text(PASSWORD)
    named: dict[str, Any] = {name: {"file": str(secrets / file)} for name, file in _SECRETS.items()}
    world = worlds(Settings(registries={REGISTRY: {"kind": "harbor", "url": registry.url, **named}}))
    world.start()
    world.until_image(world.names.dev, "shop", "1.0.0")
    return world


_SECRETS = {"username": "name", "password": "password"}


def condition(world: World, overlay: str) -> dict[str, Any] | None:
    answer = world.page(f"/api/v1/overlays/{overlay}")
    shown = json.loads(answer.text)["conditions"] if answer.status == 200 else []
    return next((each for each in shown if each["type"] == "Pullable"), None)


def events(world: World, overlay: str) -> list[str]:
    """The reasons of the Kubernetes Events on an overlay's parent."""
    found = world.console.list("Event", SYSTEM)
    return [each["reason"] for each in found if each["involvedObject"]["name"] == f"lockstep.{overlay}"]


def test_sweep_deploys_images_pushed_while_the_controller_was_down(caught_up: World, registry: Harbor) -> None:
    caught_up.controller.kill()
    registry.push("demo/shop", "1.1.0", NOON.replace(hour=13))
    caught_up.start()
    caught_up.until_image(caught_up.names.dev, "shop", "1.1.0")
    assert caught_up.person.read("environments/pipeline.yaml")
    told = json.loads(caught_up.page("/api/v1/status").text)["controller"]["registries"]
    eventually(lambda: f"{REGISTRY} " in caught_up.page("/").text)
    assert [each["host"] for each in told] == [REGISTRY]
    assert told[0]["failing_since"] is None
    assert caught_up.bugs() == []


def test_sweep_reports_an_image_that_the_registry_lost(caught_up: World, registry: Harbor) -> None:
    dev, lost = caught_up.names.dev, registry.repositories["demo/shop"][-1].digest
    eventually(lambda: condition(caught_up, dev) is not None)
    registry.delete("demo/shop", lost)
    registry.push("demo/shop", "0.9.0", NOON.replace(hour=9))
    caught_up.restart()
    eventually(lambda: (condition(caught_up, dev) or {}).get("reason") == "ImageMissing")
    shown = condition(caught_up, dev)
    assert shown is not None
    assert shown["status"] is False
    assert f"{dev}: shop 1.1.0 (sha256:{lost[7:19]}) is no longer in {REGISTRY}" in shown["message"]
    assert "ImageMissing" in caught_up.page("/").text
    assert "镜像缺失" in caught_up.page("/?lang=zh").text
    eventually(lambda: "ImageMissing" in events(caught_up, dev))
    assert any(line["message"] == "an image cannot be pulled" for line in caught_up.controller.heard())
    assert json.loads(caught_up.page(f"/api/v1/overlays/{dev}").text)["card"]["health"] == "Healthy"
    registry.push("demo/shop", "1.2.0", NOON.replace(hour=14))
    caught_up.restart()
    caught_up.until_image(dev, "shop", "1.2.0")
    eventually(lambda: (condition(caught_up, dev) or {}).get("reason") != "ImageMissing")


def test_image_deletion_received_by_a_follower_is_checked_by_the_leader(caught_up: World, registry: Harbor) -> None:
    """The leader checks it long before the next sweep."""
    dev, lost = caught_up.names.dev, registry.repositories["demo/shop"][-1].digest
    leader, follower = caught_up.controller, caught_up.start("state-2")
    follower.until("head")
    registry.delete("demo/shop", lost)
    resource = {"digest": lost, "tag": "1.2.0", "resource_url": f"{REGISTRY}/demo/shop:1.2.0"}
    about = {"resources": [resource], "repository": {"repo_full_name": "demo/shop"}}
    body = json.dumps({"type": "DELETE_ARTIFACT", "occur_at": 1795425094, "operator": "auto", "event_data": about})
    headers = {"Content-Type": "application/json", "Authorization": HARBOR_SECRET}
    assert caught_up.post("harbor", body.encode(), headers, controller=follower).status == 200
    eventually(lambda: (condition(caught_up, dev) or {}).get("reason") == "ImageMissing")
    assert any(line["message"] == "an image cannot be pulled" for line in leader.heard())
    caught_up.controllers.remove(follower)
    follower.kill()
    registry.push("demo/shop", "1.2.1", NOON.replace(hour=14, minute=30))
    caught_up.restart()
    caught_up.until_image(dev, "shop", "1.2.1")


def test_registry_that_refuses_is_reported_with_the_reason(caught_up: World, registry: Harbor) -> None:
    registry.password = "rotated-away"
    caught_up.restart()
    eventually(lambda: "SweepFailing" in caught_up.page("/api/v1/status").text)
    assert "takes no such user name and password" in caught_up.page("/").text
    failing = f'lockstep_registry_sweep_failing{{registry="{REGISTRY}"}}'
    eventually(lambda: f"{failing} 1.0" in caught_up.metrics())
    registry.password = PASSWORD
    eventually(lambda: f"{failing} 0.0" in caught_up.metrics())
    assert PASSWORD not in "".join(str(line) for line in caught_up.controller.heard())
    assert caught_up.bugs() == []


def test_sweep_command_works_beside_a_controller(caught_up: World, registry: Harbor) -> None:
    registry.push("demo/shop", "1.3.0", NOON.replace(hour=15))
    said = caught_up.command("sweep", "shop")
    assert said.startswith("shop: 1.3.0 (")
    assert "is in the config repo, commit" in said
    caught_up.controller.stop()
    caught_up.start()
    caught_up.until_image(caught_up.names.dev, "shop", "1.3.0")
