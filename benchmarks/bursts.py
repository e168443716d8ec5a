"""Many Harbor pushes at once. What counts: nothing that was answered 200 is lost, few are told to come again, and
commits are far fewer than events.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks import fleet
from benchmarks.api import NotSeen, Sight
from benchmarks.figures import Figure, Spread
from benchmarks.world import Controller, World
from gitops.core.images import Image
from gitops.local import harbor, site

_BURST = 1_000
_STORM_DISTINCT, _STORM_REPEATS, _STORM_SECONDS, _STORM_PUSH_SECONDS = 1_000, 9, 60.0, 0.3
_CALM_AFTER = 5.0
_BURST_BUILD, _STORM_BUILD = 1_000, 10_000
_TRIES = 3
_HARBOR_WAITS = 3.0
_RETRY_AFTER = 3.0
"""Harbor's job service tries again with a backoff that starts about here."""
_random = random.Random(7)


@dataclass(frozen=True, slots=True)
class _Answer:
    """`sent` and `seconds` in monotonic time, of one attempt."""

    sent: float
    seconds: float
    status: int


@dataclass(frozen=True, slots=True)
class _Sender:
    """Harbor, towards one door."""

    port: int
    path: str
    secret: str

    async def attempt(self, body: bytes) -> _Answer:
        """One attempt with Harbor's patience; status 0 when there was no answer in time."""
        began = time.monotonic()
        try:
            status = await asyncio.wait_for(self._exchange(body), _HARBOR_WAITS)
        except (TimeoutError, OSError, ValueError, IndexError):
            status = 0
        return _Answer(began, time.monotonic() - began, status)

    async def deliver(self, body: bytes, after: float = 0.0) -> Sequence[_Answer]:
        """All attempts until one is accepted, three at most."""
        await asyncio.sleep(after)
        answers = [await self.attempt(body)]
        while answers[-1].status != 200 and len(answers) < _TRIES:
            await asyncio.sleep(_RETRY_AFTER * len(answers))
            answers.append(await self.attempt(body))
        return answers

    async def _exchange(self, body: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = (
                f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {self.secret}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()


def burst(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """1,000 deliveries that are all sent at the same moment."""
    builds = _BURST // len(services) or 1
    pushed = [fleet.image(service, _BURST_BUILD + build) for build in range(builds) for service in services]
    _random.shuffle(pushed)
    bodies = [_body(each) for each in pushed]
    before = world.fleet.commits()
    began = time.monotonic()
    answers = asyncio.run(_together(_sender(world), bodies))
    ended = time.monotonic()
    commits = world.fleet.commits() - before
    firsts = Spread(tuple(attempts[0].seconds for attempts in answers))
    refused = sum(attempts[0].status != 200 for attempts in answers)
    given_up = sum(attempts[-1].status != 200 for attempts in answers)
    synced = _await_images(world, services, _BURST_BUILD + builds - 1) - began
    lost = _lost(world, services, _BURST_BUILD + builds - 1)
    running.await_quiet()
    note = f"{firsts}; all answered after {ended - began:.2f} s, all objects changed after {synced:.2f} s"
    return [
        Figure("burst", f"{len(pushed)} deliveries at once, p99 answer", firsts.percentile(99), "s", 2.5, note=note),
        Figure("burst", "images that the trunk does not have", lost, "", 0),
        Figure("burst", "given up by Harbor after 3 attempts", given_up, "", note=f"{refused} first attempts not 200"),
        Figure("burst", "commits", commits, "", len(pushed) / 2, len(services), "floor: one for each image"),
    ]


def storm(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """Distinct events and repetitions of them in a minute, against a remote that takes its time."""
    world.fleet.slow_pushes_down(_STORM_PUSH_SECONDS)
    builds = _STORM_DISTINCT // len(services) or 1
    distinct = [fleet.image(service, _STORM_BUILD + build) for build in range(builds) for service in services]
    bodies = [_body(each) for each in distinct]
    schedule = [(_random.uniform(0, _STORM_SECONDS), each) for each in bodies for _ in range(1 + _STORM_REPEATS)]
    before = world.fleet.commits()
    began = time.monotonic()
    answers = asyncio.run(_scheduled(_sender(world), schedule))
    last = max(attempts[0].sent for attempts in answers)
    durable = _await_builds(world, services, _STORM_BUILD + builds - 1) - last
    commits = world.fleet.commits() - before
    attempts = [attempt for each in answers for attempt in each]
    calm = [attempt for attempt in attempts if attempt.sent - began > _CALM_AFTER]
    refused = sum(attempt.status != 200 for attempt in calm)
    times = Spread(tuple(attempt.seconds for attempt in attempts))
    lost = sum(each[-1].status != 200 for each in answers)
    _await_images(world, services, _STORM_BUILD + builds - 1)
    running.await_quiet()
    return [
        Figure(
            "storm",
            f"{len(schedule)} deliveries in a minute, p99 answer",
            times.percentile(99),
            "s",
            2.5,
            note=str(times),
        ),
        Figure(
            "storm",
            "not 200 after the first 5 s",
            100 * refused / len(calm),
            "%",
            1.0,
            note=f"{refused} of {len(calm)}",
        ),
        Figure("storm", "given up by Harbor after 3 attempts", lost, ""),
        Figure("storm", "last event -> all committed", max(0.0, durable), "s", 10.0, _STORM_PUSH_SECONDS),
        Figure("storm", "commits", commits, "", len(schedule) / 2, len(services), "floor: one for each image"),
    ]


async def _together(sender: _Sender, bodies: Sequence[bytes]) -> Sequence[Sequence[_Answer]]:
    return await asyncio.gather(*(sender.deliver(each) for each in bodies))


async def _scheduled(sender: _Sender, schedule: Sequence[tuple[float, bytes]]) -> Sequence[Sequence[_Answer]]:
    return await asyncio.gather(*(sender.deliver(each, after) for after, each in schedule))


def _body(pushed: Image) -> bytes:
    return harbor.body(pushed, datetime.now(UTC))  # noqa: TID251 - plays Harbor, whose clock this is


def _sender(world: World) -> _Sender:
    return _Sender(world.ports["webhooks"], f"/hooks/{site.HARBOR}", world.secret(site.HARBOR).read_text())


def _lost(world: World, services: Sequence[str], build: int) -> int:
    return sum(found != build for found in world.fleet.builds(services).values())


def _await_builds(world: World, services: Sequence[str], build: int) -> float:
    """Monotonic time at which the trunk named the build for every service. Raises: NotSeen."""
    deadline = time.monotonic() + 60
    while _lost(world, services, build):
        if time.monotonic() > deadline:
            raise NotSeen(f"{_lost(world, services, build)} services are not at build {build} on the trunk")
    return time.monotonic()


def _await_images(world: World, services: Sequence[str], build: int) -> float:
    """Monotonic time at which every Deployment had the build. Raises: NotSeen."""
    with Sight(world.api, "Deployment", fleet.NAMESPACE) as sight:
        for service in services:
            sight.await_object(service, fleet.runs(fleet.image(service, build)))
    return time.monotonic()
