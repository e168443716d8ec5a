"""The shapes and their order; shapes that can share a controller do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bursts, changes, checks, counting, fleet, history, rendering, storms, syncing, world
from benchmarks.figures import Figure
from benchmarks.world import World

DEFAULT: Mapping[str, str] = {
    "first-sync": "a commit brings every overlay to an empty cluster",
    "commit": "pushed commit -> object changed, one overlay of all",
    "webhook": "Harbor's webhook -> object changed",
    "drift": "an edit by another manager -> healed",
    "burst": "1,000 Harbor pushes at once",
    "memory": "what the controller holds after all that",
    "unchanged": "a pass over overlays that are as they should be",
    "restart": "the same right after a restart, and what it asks of the API server",
    "render": "guard, compose and kustomize beside kustomize alone",
    "storm": "1,000 distinct and 9,000 repeated Harbor pushes in a minute, a remote that takes 300 ms",
}
OFFLINE: Mapping[str, str] = {
    "check": "lockstep check, cold and warm, beside as many plain kustomize builds",
    "history": "the first fetch of a config repo whose history is large, beside a full clone",
}
"""Shapes that need no control plane."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """The wanted `shapes`; `tell` shows which one is being measured."""

    shapes: frozenset[str]
    overlays: int
    tell: Tell


def measure_offline(scratch: Path, kustomize: Path, wish: Wish) -> Iterator[Figure]:
    if "check" in wish.shapes:
        wish.tell("check")
        yield from checks.checks(scratch, kustomize, wish.overlays)
    if "history" in wish.shapes:
        wish.tell("history")
        yield from history.history(scratch, wish.overlays)


def measure(where: World, wish: Wish) -> Iterator[Figure]:
    services = fleet.names(wish.overlays)
    yield from _by_one_controller(where, wish, services)
    if "unchanged" in wish.shapes:
        wish.tell("passes over unchanged overlays")
        yield from syncing.unchanged(where, len(services))
    if "restart" in wish.shapes:
        wish.tell("restart")
        with world.controller(where) as running:
            yield from syncing.restart(running, len(services))
        wish.tell("restart, behind a proxy that counts")
        yield from counting.restart(where, len(services))
    if "render" in wish.shapes:
        wish.tell("renders")
        yield from rendering.renders(where, services)
    if "storm" in wish.shapes:
        wish.tell("storm, a minute and what follows it")
        with world.controller(where) as running:
            running.await_passes(len(services))
            yield from storms.storm(where, running, services)


def _by_one_controller(where: World, wish: Wish, services: Sequence[str]) -> Iterator[Figure]:
    """Measures the shapes that share one controller. The first sync always runs, because the others need its fleet."""
    with world.controller(where) as running:
        running.await_ready()
        wish.tell("first sync")
        found = syncing.first_sync(where, running, services)
        yield from found if "first-sync" in wish.shapes else ()
        running.await_rest()
        if "memory" in wish.shapes:
            yield from syncing.memory(running, "after the first sync")
        for shape, measured in _FOLLOWING.items():
            if shape in wish.shapes:
                wish.tell(shape)
                yield from measured(where, running, services)
        running.await_rest()
        if wish.shapes >= {"memory", "burst"}:
            yield from syncing.memory(running, "with the burst's threads", budget=None)
            running.await_few_threads()
            yield from syncing.memory(running, "when they are gone")


_FOLLOWING: Mapping[str, Callable[[World, world.Controller, Sequence[str]], Sequence[Figure]]] = {
    "commit": changes.commits,
    "webhook": changes.webhooks,
    "drift": changes.drifts,
    "burst": bursts.burst,
}
