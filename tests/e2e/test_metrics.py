"""A scrape of a busy controller: every registered metric is fed."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gitops.runtime.metrics import Metrics
from tests.e2e.config_repo import REGISTRY
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import Settings, World
from tests.worlds.harbor import PASSWORD, USER, Harbor, harbor
from tests.worlds.kubernetes import eventually

AT_ZERO = {"lockstep_registry_sweep_failing"}
"""Their series exists once they were set, and its value is 0 while all is well."""


@pytest.fixture(scope="module")
def registry() -> Iterator[Harbor]:
    with harbor() as made:
        made.push("demo/shop", "1.0.0", datetime(2026, 11, 1, 12, tzinfo=UTC))
        yield made


@pytest.fixture(scope="module")
def busy(worlds: MakeWorld, registry: Harbor, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A controller with a registry, whose pushes take two seconds."""
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "name").write_text(USER)
    (secrets / "password").write_text(PASSWORD)
    access = {"username": {"file": str(secrets / "name")}, "password": {"file": str(secrets / "password")}}
    world = worlds(Settings(registries={REGISTRY: {"kind": "harbor", "url": registry.url, **access}}))
    _slow_pushes(world.remote)
    world.start()
    return world


def _slow_pushes(remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nsleep 2\n")
    hook.chmod(0o755)


def scraped(world: World) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(world.metrics())}


def is_fed(family: Metric) -> bool:
    values = [each.value for each in family.samples if not each.name.endswith("_created")]
    return bool(values) and (any(values) or family.name in AT_ZERO)


def test_metrics_are_all_fed_by_a_busy_controller(busy: World) -> None:
    collector = CollectorRegistry()
    Metrics(collector)
    left = {family.name for family in collector.collect()}
    dev = busy.names.dev

    def are_all_fed() -> bool:
        left.difference_update(name for name, family in scraped(busy).items() if is_fed(family))
        return not left

    eventually(lambda: are_all_fed() or "lockstep_writes" not in left, seconds=60)
    busy.until_ready(dev)
    sender = threading.Thread(target=lambda: busy.push_image("shop", "1.5.0"))
    sender.start()
    try:
        busy.console.patch("ConfigMap", dev, "anchor", {"data": {"holds": "loose"}})
        eventually(are_all_fed, seconds=60)
    finally:
        sender.join()
    assert left == set()


def test_metrics_of_a_removed_overlay_are_dropped(busy: World) -> None:
    gone, stays = f"{busy.names.split}/till", f"{busy.names.split}/desk"
    eventually(lambda: f'overlay="{gone}"' in busy.metrics(), seconds=60)
    directory = f"environments/{gone}"
    busy.edit({f"{directory}/kustomization.yaml": None, f"{directory}/till.yaml": None}, "the till is gone")
    eventually(lambda: f'overlay="{gone}"' not in busy.metrics(), seconds=60)
    assert f'overlay="{stays}"' in busy.metrics()
    assert busy.members(gone), "its objects stay until `lockstep down`"
