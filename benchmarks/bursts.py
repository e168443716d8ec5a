"""Many Harbor pushes at one moment. No push that was answered 200 may be lost, few may get 429 or 503, and there must
be far fewer commits than events.
"""

import asyncio
import random
import time
from collections.abc import Sequence

from benchmarks import fleet, sending
from benchmarks.api import NotSeen, ObjectWatch
from benchmarks.figures import Figure, Spread
from benchmarks.world import Controller, World

_BURST = 1_000
_BURST_BUILD = 1_000
_random = random.Random(7)


def burst(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """Sends 1,000 deliveries at the same moment."""
    builds = _BURST // len(services) or 1
    pushed = [fleet.image(service, _BURST_BUILD + build) for build in range(builds) for service in services]
    _random.shuffle(pushed)
    bodies = [sending.body(each) for each in pushed]
    before = world.fleet.commits()
    began = time.monotonic()
    answers = asyncio.run(sending.together(sending.sender(world), bodies))
    ended = time.monotonic()
    commits = world.fleet.commits() - before
    firsts = Spread(tuple(attempts[0].seconds for attempts in answers))
    refused = sum(attempts[0].status != 200 for attempts in answers)
    given_up = sum(attempts[-1].status != 200 for attempts in answers)
    synced = await_images(world, services, _BURST_BUILD + builds - 1) - began
    missing = lost(world, services, _BURST_BUILD + builds - 1)
    running.await_quiet()
    note = f"{firsts}; all answered after {ended - began:.2f} s, all objects changed after {synced:.2f} s"
    return [
        Figure("burst", f"{len(pushed)} deliveries at once, p99 answer", firsts.percentile(99), "s", 2.5, note=note),
        Figure("burst", "images that the trunk does not have", missing, "", 0),
        Figure("burst", "given up by Harbor after 3 attempts", given_up, "", note=f"{refused} first attempts not 200"),
        Figure("burst", "commits", commits, "", len(pushed) / 2, len(services), "floor: one for each image"),
    ]


def lost(world: World, services: Sequence[str], build: int) -> int:
    return sum(found != build for found in world.fleet.builds(services).values())


def await_builds(world: World, services: Sequence[str], build: int) -> float:
    """Waits until the trunk has the build of every service; returns the monotonic time. Raises: NotSeen."""
    deadline = time.monotonic() + 60
    while lost(world, services, build):
        if time.monotonic() > deadline:
            raise NotSeen(f"{lost(world, services, build)} services are not at build {build} on the trunk")
    return time.monotonic()


def await_images(world: World, services: Sequence[str], build: int) -> float:
    """Waits until every Deployment has the build; returns the monotonic time. Raises: NotSeen."""
    with ObjectWatch(world.api, "Deployment", fleet.NAMESPACE) as watch:
        for service in services:
            watch.await_object(service, fleet.runs(fleet.image(service, build)))
    return time.monotonic()
