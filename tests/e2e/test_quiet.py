"""A pass over overlays that did not change makes no write: counted on the line to the API server."""

import re

import pytest

from gitops.core.ownership.applyset import REQUESTED_AT_ANNOTATION, parent_name
from tests.e2e.api_proxy import Request
from tests.e2e.harness import SYSTEM, World
from tests.worlds.kubernetes import eventually


def _passes(world: World) -> dict[str, int]:
    """Overlay -> how many passes this process has made over it."""
    text = world.metrics()
    found = re.findall(r'^\w*reconcile_seconds_count\{.*overlay="([^"]+)".*\} ([0-9.]+)', text, re.MULTILINE)
    counted: dict[str, int] = {}
    for overlay, count in found:
        counted[overlay] = counted.get(overlay, 0) + int(float(count))
    return counted


def _settle(world: World) -> None:
    """In sync, and nothing was written for longer than a late status may take."""
    world.until_ready()
    written = -1
    while written != len(world.proxy.traffic.writes()):
        written = len(world.proxy.traffic.writes())
        world.rest(2.5)


def _by_controller(writes: list[Request]) -> list[Request]:
    """Without what `lockstep reconcile` itself writes: the wish, on the parent."""
    return [each for each in writes if not each.is_("PATCH", r".*/namespaces/lockstep-system/configmaps/lockstep\..*")]


@pytest.fixture(scope="module")
def settled(running: World) -> World:
    _settle(running)
    return running


def test_a_forced_recheck_writes_nothing(settled: World) -> None:
    before, passes = len(settled.proxy.traffic.passed()), _passes(settled)
    settled.command("reconcile", settled.names.dev)
    for name in settled.overlays[1:]:
        wish = {"metadata": {"annotations": {REQUESTED_AT_ANNOTATION: "now"}}}
        settled.console.patch("ConfigMap", SYSTEM, parent_name(name), wish)
    eventually(lambda: all(_passes(settled)[name] > passes[name] for name in settled.overlays))
    settled.rest(1.0)
    assert _by_controller(settled.proxy.traffic.writes(before)) == []


def test_a_restart_writes_nothing(settled: World) -> None:
    before = len(settled.proxy.traffic.passed())
    settled.restart()
    eventually(lambda: all(_passes(settled).get(name) for name in settled.overlays))
    settled.rest(1.0)
    assert settled.proxy.traffic.writes(before) == []


def test_a_commit_that_concerns_no_overlay_writes_nothing(settled: World) -> None:
    before = len(settled.proxy.traffic.passed())
    commit = settled.edit({"README.md": "What this is.\n"})
    eventually(lambda: commit[:12] in settled.page("/api/v1/status").text)
    settled.rest(1.0)
    assert settled.proxy.traffic.writes(before) == []


def test_what_is_written_all_the_same(settled: World) -> None:
    """Leases, the sign of life, and Events, which tell of what happened: listed apart, and nothing else."""
    apart = [
        each.request
        for each in settled.proxy.traffic.passed()
        if each.request.method != "GET" and not each.request.is_write and "dryRun" not in each.request.query
    ]
    assert {each.path.rpartition(f"/{SYSTEM}/")[2].partition("/")[0] for each in apart} <= {"leases", "events"}
