"""Many simultaneous and repeated deliveries against a slow git remote."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3

from gitops.local import harbor_webhook
from tests.e2e.config_repo import REGISTRY
from tests.e2e.conftest import MakeWorld
from tests.e2e.harness import HARBOR_SECRET, Sent, World
from tests.e2e.invariants import Checker
from tests.worlds.git import git

pytestmark = pytest.mark.timeout(600)

BUILDS, REPEATS, SENDERS, ATTEMPTS = 20, 9, 24, 3
HEADERS = {"Authorization": HARBOR_SECRET, "Content-Type": "application/json"}
PUSH_SECONDS = 0.3
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
_random = random.Random(11)


def test_a13_storm_of_valid_deliveries_loses_nothing_and_makes_no_extra_commits(
    worlds: MakeWorld,
) -> None:
    world = worlds()
    checker = Checker(world)
    world.start()
    checker.until_converged()
    _slow_down(world.remote)
    before = _commits(world)
    pushed = [
        harbor_webhook.image(f"{REGISTRY}/demo/{name}", f"1.{build}.0")
        for name in ("shop", "desk")
        for build in range(BUILDS)
    ]
    deliveries = [
        (Sent(each.name, each.tag or "", each.digest or ""), harbor_webhook.body(each, AT)) for each in pushed
    ]
    world.sent += [sent for sent, _ in deliveries]
    schedule = deliveries * (1 + REPEATS)
    _random.shuffle(schedule)
    with ThreadPoolExecutor(SENDERS) as pool:
        delivered = [pool.submit(_deliver, world, *each) for each in schedule]
        looks = [world.page().status for _ in range(20)]  # a view that takes longer than the client waits fails here
        answers = Counter(each.result() for each in delivered)
    assert looks == [200] * 20
    assert set(answers) <= {200, 503, None}
    assert answers[200] >= 0.8 * len(schedule), answers
    assert answers[None] <= 0.02 * len(schedule), answers
    for sent in world.sent:
        world.push_until_acked(sent)
    checker.until_converged()
    assert checker.violations() == []
    for service, place in (("shop", world.names.dev), ("desk", f"{world.names.split}/desk")):
        assert f"1.{BUILDS - 1}.0" in world.kustomization(place), service
    assert 2 <= _commits(world) - before < len(pushed) / 2, "the final values of a batch only"
    assert world.bugs() == []


def _deliver(world: World, sent: Sent, body: bytes) -> int | None:
    """The status of the last attempt, None without an answer in time. Like Harbor it sends the same bytes each time,
    but without Harbor's pause of a minute.
    """
    status = None
    for _ in range(ATTEMPTS):
        status = None
        with suppress(urllib3.exceptions.HTTPError):
            answer = world.post("harbor", body, HEADERS)
            status = answer.status
            if not sent.is_acked:
                sent.answer = answer
        if status == 200:
            break
    return status


def _slow_down(remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nsleep {PUSH_SECONDS}\n")
    hook.chmod(0o755)


def _commits(world: World) -> int:
    return int(git(world.remote, "rev-list", "--count", "main"))
