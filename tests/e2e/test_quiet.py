"""A pass over unchanged overlays makes no write; the proxy before the API server counts."""

import re

import pytest

from gitops.core.ownership.applyset import REQUESTED_AT_ANNOTATION, parent_name
from tests.e2e.api_proxy import Request
from tests.e2e.harness import SYSTEM, World
from tests.worlds.kubernetes import eventually


def _passes(world: World) -> dict[str, int]:
    """Overlay -> the number of passes of this process."""
    text = world.metrics()
    found = re.findall(r'^\w*reconcile_seconds_count\{.*overlay="([^"]+)".*\} ([0-9.]+)', text, re.MULTILINE)
    counted: dict[str, int] = {}
    for overlay, count in found:
        counted[overlay] = counted.get(overlay, 0) + int(float(count))
    return counted


def _settle(world: World) -> None:
    """A synced installation without a write for longer than a delayed status takes."""
    world.until_ready()
    written = -1
    while written != len(world.proxy.traffic.writes()):
        written = len(world.proxy.traffic.writes())
        world.rest(2.5)


def _by_controller(writes: list[Request]) -> list[Request]:
    """Without the write of `lockstep reconcile` itself: its annotation on the parent."""
    return [each for each in writes if not each.is_("PATCH", r".*/namespaces/lockstep-system/configmaps/lockstep\..*")]


@pytest.fixture(scope="module")
def settled(running: World) -> World:
    _settle(running)
    return running


def test_recheck_of_unchanged_overlays_writes_nothing(settled: World) -> None:
    before, passes = len(settled.proxy.traffic.passed()), _passes(settled)
    settled.command("reconcile", settled.names.dev)
    for name in settled.overlays[1:]:
        wish = {"metadata": {"annotations": {REQUESTED_AT_ANNOTATION: "now"}}}
        settled.console.patch("ConfigMap", SYSTEM, parent_name(name), wish)
    eventually(lambda: all(_passes(settled)[name] > passes[name] for name in settled.overlays))
    settled.rest(1.0)
    assert _by_controller(settled.proxy.traffic.writes(before)) == []


def test_restart_writes_nothing(settled: World) -> None:
    before = len(settled.proxy.traffic.passed())
    settled.restart()
    eventually(lambda: all(_passes(settled).get(name) for name in settled.overlays))
    settled.rest(1.0)
    assert settled.proxy.traffic.writes(before) == []


def test_commit_outside_all_overlays_writes_nothing(settled: World) -> None:
    before = len(settled.proxy.traffic.passed())
    commit = settled.edit({"README.md": "What this is.\n"})
    eventually(lambda: commit[:12] in settled.page("/api/v1/status").text)
    settled.rest(1.0)
    assert settled.proxy.traffic.writes(before) == []


def test_idle_controller_writes_leases_and_events_only(settled: World) -> None:
    """Only Leases (the heartbeat) and Events are written; they are counted separately."""
    apart = [
        each.request
        for each in settled.proxy.traffic.passed()
        if each.request.method != "GET" and not each.request.is_write and "dryRun" not in each.request.query
    ]
    assert {each.path.rpartition(f"/{SYSTEM}/")[2].partition("/")[0] for each in apart} <= {"leases", "events"}
