"""A minute of Harbor pushes, most of them repeated, against a slow git remote. Few may get 429 or 503, none
may be lost, commits must be far fewer than events, memory must stay bounded, and the page must keep answering.
"""

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks import fleet, sending
from benchmarks.bursts import await_builds, await_images, lost
from benchmarks.figures import Figure, Spread
from benchmarks.sending import Answer
from benchmarks.world import Controller, World

_DISTINCT, _REPEATS, _SECONDS = 1_000, 9, 60.0
_PUSH_SECONDS = 0.3
_CALM_AFTER = 5.0
_FIRST_BUILD = 10_000
_WEIGH_EVERY = 2.0
_MEGABYTE = 1024 * 1024
_random = random.Random(7)


@dataclass(slots=True)
class _Looks:
    """A viewer's measurements during the storm: seconds of each answer, bytes of the controller's memory."""

    seconds: tuple[float, ...] = ()
    resident: list[int] = field(default_factory=list)


def storm(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """Sends distinct events and their repetitions for a minute."""
    world.fleet.slow_pushes_down(_PUSH_SECONDS)
    builds = _DISTINCT // len(services) or 1
    newest = _FIRST_BUILD + builds - 1
    schedule = _schedule(services, builds)
    before, held = world.fleet.commits(), running.memory().resident
    with _view_page(world, running) as looks:
        began = time.monotonic()
        answers = asyncio.run(sending.scheduled(sending.sender(world), schedule))
        last = max(attempts[0].sent for attempts in answers)
        durable = max(0.0, await_builds(world, services, newest) - last)
    commits = world.fleet.commits() - before
    missing = lost(world, services, newest)
    await_images(world, services, newest)
    running.await_quiet()
    return [
        *_summarise_answers(answers, began),
        Figure("storm", "images that the trunk does not have", missing, "", 0),
        Figure("storm", "last event -> all committed", durable, "s", 10.0, _PUSH_SECONDS, "floor: one push"),
        Figure("storm", "commits", commits, "", len(schedule) / 2, len(services), "floor: one for each image"),
        *_summarise_looks(looks, held),
    ]


def _schedule(services: Sequence[str], builds: int) -> list[tuple[float, bytes]]:
    """(seconds from the start, body): every delivery ten times, at random times and in random order."""
    pushed = [fleet.image(service, _FIRST_BUILD + build) for build in range(builds) for service in services]
    bodies = [sending.body(each) for each in pushed]
    return [(_random.uniform(0, _SECONDS), each) for each in bodies for _ in range(1 + _REPEATS)]


def _summarise_answers(answers: Sequence[Sequence[Answer]], began: float) -> Sequence[Figure]:
    attempts = [attempt for each in answers for attempt in each]
    calm = [attempt for attempt in attempts if attempt.sent - began > _CALM_AFTER]
    refused = sum(attempt.status != 200 for attempt in calm)
    times = Spread(tuple(attempt.seconds for attempt in attempts))
    given_up = sum(each[-1].status != 200 for each in answers)
    what, share = f"{len(answers)} deliveries in a minute, p99 answer", 100 * refused / len(calm)
    return [
        Figure("storm", what, times.percentile(99), "s", 2.5, note=str(times)),
        Figure("storm", "not 200 after the first 5 s", share, "%", 1.0, note=f"{refused} of {len(calm)}"),
        Figure("storm", "given up by Harbor after 3 attempts", given_up, "", 0),
    ]


def _summarise_looks(looks: _Looks, held: int) -> Sequence[Figure]:
    pages = Spread(looks.seconds)
    grown = (max(looks.resident) - held) / _MEGABYTE
    note = f"{held / _MEGABYTE:.0f} MB before, {max(looks.resident) / _MEGABYTE:.0f} MB at most"
    return [
        Figure("storm", "the page meanwhile, p99 answer", pages.percentile(99), "s", 0.2, note=str(pages)),
        Figure("storm", "resident, more than before", grown, "MB", note=note),
    ]


@contextmanager
def _view_page(world: World, running: Controller) -> Iterator[_Looks]:
    """Requests the overview all the time. Raises: CalledProcessError if a request was not answered 200."""
    looks, over = _Looks(), threading.Event()

    def weigh() -> None:
        while not over.wait(_WEIGH_EVERY):
            looks.resident.append(running.memory().resident)

    argv = [sys.executable, "-m", "benchmarks.viewer", f"http://127.0.0.1:{world.ports['page']}/"]
    with ThreadPoolExecutor(1) as pool, subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as viewer:
        weighing = pool.submit(weigh)
        try:
            yield looks
        finally:
            over.set()
            said, _ = viewer.communicate()
    weighing.result()
    if viewer.returncode:
        raise subprocess.CalledProcessError(viewer.returncode, argv)
    looks.seconds = tuple(json.loads(said))
