"""The time from a cause to the changed object, for one overlay of many, each time another one."""

import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from benchmarks import fleet
from benchmarks.api import Api, Body, NotSeen, ObjectWatch
from benchmarks.figures import Figure, Spread
from benchmarks.syncing import FLOOR_NAMESPACE
from benchmarks.world import Controller, World
from gitops.local import harbor_webhook, site

_FLOORS = 20
_CHANGES = 40
_FIRST_BUILD = {"commits": 100, "webhooks": 200}
_FIELD = "revisionHistoryLimit"


def commits(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """The time from the start of `git push` of one commit to the Deployment with the new image."""
    build = _FIRST_BUILD["commits"]
    floor = Spread(tuple(_push_directly(world, services, build)))
    with ObjectWatch(world.api, "Deployment", fleet.NAMESPACE) as watch:
        watch.await_count(len(services))
        taken = []
        for service in _choose(services, _CHANGES):
            world.fleet.catch_up()
            before = world.fleet.head()
            world.fleet.release(service, build)
            world.fleet.commit(f"{service}: build {build}")
            began = time.monotonic()
            running.announce_push(before, world.fleet.send())
            taken.append(watch.await_object(service, fleet.runs(fleet.image(service, build))) - began)
            running.await_quiet()
    return _figures("commit", "git push -> object changed", Spread(tuple(taken)), (0.25, 1.0), floor)


def webhooks(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """The time from the first byte of Harbor's delivery to the Deployment with the new image, including the answer."""
    build = _FIRST_BUILD["webhooks"]
    floor = Spread(tuple(_push_directly(world, services, build)))
    secret = world.secret(site.HARBOR).read_text()
    with ObjectWatch(world.api, "Deployment", fleet.NAMESPACE) as watch:
        watch.await_count(len(services))
        taken, answered = [], []
        for service in _choose(services, _CHANGES):
            pushed = fleet.image(service, build)
            began = time.monotonic()
            answer = harbor_webhook.push(world.hook(site.HARBOR), secret, pushed, datetime.now(UTC))  # noqa: TID251 - plays Harbor
            answered.append(time.monotonic() - began)
            if not answer.is_accepted:
                raise NotSeen(f"the delivery was answered {answer.status}: {answer.sentences}")
            taken.append(watch.await_object(service, fleet.runs(pushed)) - began)
            running.await_quiet()
    figures = _figures("webhook", "Harbor's webhook -> object changed", Spread(tuple(taken)), (0.3, 1.0), floor)
    note = f"{Spread(tuple(answered))}"
    answers = Figure("webhook", "Harbor's webhook -> 200, p50", Spread(tuple(answered)).percentile(50), "s", note=note)
    return [*figures, answers]


def drifts(world: World, running: Controller, services: Sequence[str]) -> Sequence[Figure]:
    """The time from the answer to an edit by another manager to the field with git's value."""
    with ObjectWatch(world.api, "Deployment", FLOOR_NAMESPACE) as watch:
        watch.await_count(len(services))
        floor = Spread(tuple(_heal_directly(world.api, watch, service) for service in _choose(services, _FLOORS)))
    with ObjectWatch(world.api, "Deployment", fleet.NAMESPACE) as watch:
        watch.await_count(len(services))
        taken = []
        for service in _choose(services, _CHANGES):
            taken.append(_heal(world.api, watch, service))
            running.await_quiet()
    return _figures("drift", "edit -> healed", Spread(tuple(taken)), (0.2, None), floor)


def _figures(
    shape: str, what: str, taken: Spread, budgets: tuple[float, float | None], floor: Spread
) -> Sequence[Figure]:
    middle, late = budgets
    return [
        Figure(shape, f"{what}, p50", taken.percentile(50), "s", middle, floor.percentile(50), str(taken)),
        Figure(shape, f"{what}, p99", taken.percentile(99), "s", late, floor.percentile(99), f"floor: {floor}"),
    ]


def _push_directly(world: World, services: Sequence[str], build: int) -> Sequence[float]:
    """The floor: push + kustomize build + one apply for one overlay's change, without the time to detect it."""
    taken = []
    for service in _choose(services, _FLOORS):
        world.fleet.catch_up()
        world.fleet.release(service, build)
        world.fleet.commit(f"{service}: build {build}")
        directory = world.fleet.checkout / world.fleet.overlay(service)
        body = fleet.objects(service, FLOOR_NAMESPACE, build)[0]
        began = time.monotonic()
        world.fleet.send("floor")
        subprocess.run([world.kustomize, "build", str(directory)], check=True, capture_output=True)
        world.api.apply(body)
        taken.append(time.monotonic() - began)
    world.fleet.catch_up()
    return taken


def _heal_directly(api: Api, watch: ObjectWatch, service: str) -> float:
    """The floor: one apply as soon as the watch shows the edit, until the watch shows the result."""
    body = fleet.objects(service, FLOOR_NAMESPACE)[0]
    began, generation = _edit(api, FLOOR_NAMESPACE, service)
    watch.await_object(service, lambda seen: bool(seen["metadata"]["generation"] >= generation))
    api.apply(body)
    return watch.await_object(service, _is_healed_after(generation)) - began


def _heal(api: Api, watch: ObjectWatch, service: str) -> float:
    began, generation = _edit(api, fleet.NAMESPACE, service)
    return watch.await_object(service, _is_healed_after(generation)) - began


def _edit(api: Api, namespace: str, service: str) -> tuple[float, int]:
    """Edits the object; returns the monotonic time of the answer and the object's generation."""
    edited = api.edit("Deployment", namespace, service, {"spec": {_FIELD: 7}})
    return time.monotonic(), edited["metadata"]["generation"]


def _is_healed_after(generation: int) -> Callable[[Body], bool]:
    return lambda body: bool(body["spec"][_FIELD] == 3 and body["metadata"]["generation"] > generation)


def _choose(services: Sequence[str], count: int) -> Sequence[str]:
    return [services[number % len(services)] for number in range(count)]
