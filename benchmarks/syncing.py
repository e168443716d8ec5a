"""First sync, unchanged passes, restart, memory."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import fleet
from benchmarks.api import ObjectWatch
from benchmarks.figures import Figure
from benchmarks.world import Controller, World, add_namespace

FLOOR_NAMESPACE = "floor"
_WRITERS = 8
_MEGABYTE = 1_000_000


def first_sync(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """The time from the push of a commit with all services to a cluster that had none of them."""
    floor = _apply_directly(world, services)
    world.fleet.write(services)
    count = len(services)
    with ExitStack() as held:
        watches = [
            held.enter_context(ObjectWatch(world.api, kind, fleet.NAMESPACE, whole=False)) for kind in fleet.KINDS
        ]
        before = running.cpu_seconds()
        began = time.monotonic()
        head = world.fleet.push("The whole fleet")
        running.announce_push("0" * 40, head)
        firsts = [watch.await_count(1) for watch in watches]
        # every namespace has a ServiceAccount `default`
        ends = [
            watch.await_count(count + (kind == "ServiceAccount"))
            for watch, kind in zip(watches, fleet.KINDS, strict=True)
        ]
    settled = running.await_settled(count)
    note = (
        f"first object after {min(firsts) - began:.2f} s, page all Synced after {settled - began:.2f} s, "
        f"{running.cpu_seconds() - before:.1f} CPU s; floor: {4 * count} applies by {_WRITERS} threads"
    )
    return [Figure("first-sync", f"push -> {4 * count} objects", max(ends) - began, "s", 6.0, floor, note)]


def memory(running: Controller, when: str, *, budget: float | None = 120.0) -> Sequence[Figure]:
    found = running.memory()
    note = (
        f"PSS {found.proportional / _MEGABYTE:.0f} MB, USS {found.unique / _MEGABYTE:.0f} MB, with git's readers, "
        f"{running.threads()} threads"
    )
    return [Figure("memory", f"resident, {when}", found.resident / _MEGABYTE, "MB", budget, note=note)]


@dataclass(frozen=True, slots=True)
class _Passes:
    """The output of benchmarks.passes."""

    started: float
    recalled: float
    first: float
    seconds: float
    cpu: float


def unchanged(world: World, overlays: int) -> Sequence[Figure]:
    """The passes alone, in a process of the benchmark that has everything in memory."""
    found = _run_passes(world)
    note = f"{1e6 * found.cpu / overlays:.0f} us of CPU an overlay"
    return [
        Figure("unchanged", f"pass over {overlays} unchanged overlays", found.seconds, "s", 0.1, note=note),
        Figure("unchanged", "its CPU time", found.cpu, "s", 0.1),
    ]


def restart(running: Controller, overlays: int) -> Sequence[Figure]:
    """The time from the start of the process to the end of the first pass over every overlay."""
    ready = running.await_answering() - running.started
    ended = running.await_passes(overlays) - running.started
    used = running.cpu_seconds()
    note = f"of it {ready:.2f} s until its page answers: interpreter, imports, listeners; {used:.2f} CPU s"
    return [
        Figure("restart", f"process start -> {overlays} overlays passed", ended, "s", 2.0, note=note),
        Figure("restart", "the same without the start of the process", ended - ready, "s"),
    ]


def _run_passes(world: World) -> _Passes:
    argv = [sys.executable, "-m", "benchmarks.passes", str(world.config)]
    ended = subprocess.run(argv, check=True, capture_output=True, text=True)
    return _Passes(**json.loads(ended.stdout))


def _apply_directly(world: World, services: Sequence[str]) -> float:
    """The floor: seconds to apply the same objects in another namespace, with all connections open before."""
    add_namespace(world.api, FLOOR_NAMESPACE)
    bodies = [body for service in services for body in fleet.objects(service, FLOOR_NAMESPACE)]
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(lambda _: world.api.text("/version"), range(_WRITERS)))
        began = time.monotonic()
        list(pool.map(world.api.apply, bodies))
        return time.monotonic() - began
