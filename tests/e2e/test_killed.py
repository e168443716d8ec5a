"""SIGKILL at each named step of a change, and at random times under load: started again, the controller converges
by itself and the invariants hold.
"""

import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from gitops.core.sync.status import Action
from tests.e2e import config_repo
from tests.e2e.api_proxy import Request, Trap
from tests.e2e.conftest import MakeWorld
from tests.e2e.console import NeverObserved
from tests.e2e.harness import Settings, World
from tests.e2e.invariants import Checker
from tests.e2e.process import Controller
from tests.worlds.git import git

pytestmark = pytest.mark.timeout(900)
"""The tests start forty processes, and each imports everything, which takes long on a busy machine."""

WRITE = "PUT|POST"
ANYTHING_APPLIED = r"/api.*/namespaces/(?!lockstep-system/).*"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a change: the n-th write with these methods to a target that the expression matches."""

    name: str
    methods: str
    target: str
    before: bool
    nth: int = 1


def _around(name: str, methods: str, target: str, nth: int = 1) -> tuple[Step, Step]:
    return (
        Step(f"before {name}", methods, target, before=True, nth=nth),
        Step(f"after {name}", methods, target, before=False, nth=nth),
    )


ON_THE_LINE = (
    *_around("the write-ahead of the inventory", WRITE, r".*/lockstep\.dev\d+"),
    *_around("the first apply", "PATCH", ANYTHING_APPLIED),
    *_around("the second apply", "PATCH", ANYTHING_APPLIED, nth=2),
    *_around("the last apply", "PATCH", r".*/deployments/shop"),
    *_around("a prune", "DELETE", ANYTHING_APPLIED),
    *_around("the second write of the inventory", WRITE, r".*/lockstep\.dev\d+", nth=2),
    *_around("the status", WRITE, r".*/lockstep-ledger\.dev\d+"),
)
IN_GIT = ("before the push", "after the push, before the answer")
IN_KUSTOMIZE = "during a render"
STEPS = (*IN_GIT, IN_KUSTOMIZE, *(step.name for step in ON_THE_LINE))


class Scene:
    """One installation that is killed again and again, and checked after each kill."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checker = Checker(world)
        self._number = 0
        for name, script in (("pre-receive", "exit 1"), ("post-receive", "exit 0")):
            _hook(world, name, script)
        world.start()
        self.checker.until_converged()

    def endure(self, step: str) -> None:
        """Kills the controller at this step of a change. Before the next start, git loses the added object again: if
        only the dead controller knew of the object, it would stay for ever.
        """
        world = self.world
        self._number += 1
        self._edit(f"extra-{self._number}", tell=False)
        dead = self._arm(step)
        sent = world.push_image("shop", f"1.{self._number}.0")
        dead.await_death()
        if self._number % 2:
            self._edit(None, tell=False)
        world.start()
        world.push_until_acked(sent)
        self.checker.until_converged()
        assert self.checker.violations() == [], step

    def endure_load(self, seconds: float) -> None:
        """Kills the controller `seconds` after several senders and a person have begun to push."""
        world = self.world
        self._number += 1
        tags = [("shop", f"1.{self._number}.{patch}") for patch in range(3)]
        tags += [("desk", f"1.{self._number}.{patch}") for patch in range(2)]
        with ThreadPoolExecutor(len(tags) + 1) as pool:
            sent = [pool.submit(world.push_image, *tag) for tag in tags]
            edited = pool.submit(self._edit, f"extra-{self._number}", tell=False)
            threading.Event().wait(seconds)
            world.controller.kill()
            edited.result()
        world.start()
        for each in sent:
            world.push_until_acked(each.result())
        self.checker.until_converged()
        assert self.checker.violations() == [], f"killed after {seconds:.3f} s"

    # -- checks that find the mutants

    def lose_track(self) -> None:
        """Kills the controller after it created an object, and removes the object from git before the next start."""
        self._number = 1
        self._edit("extra-1", tell=False)
        dead = self._arm("after the last apply")
        sent = self.world.push_image("shop", "1.1.0")
        dead.await_death()
        self._edit(None, tell=False)
        self.world.start()
        self.world.push_until_acked(sent)
        with pytest.raises(NeverObserved):
            self.checker.until_converged(seconds=10)
        assert any("I4" in each and "extra-1" in each for each in self.checker.violations())

    def break_a_promise(self) -> None:
        assert self.world.push_image("shop", "1.1.0").is_acked
        assert any("I1" in each and "promised" in each for each in self.checker.violations())

    def lie(self) -> None:
        names, world = self.world.names, self.world
        world.edit(config_repo.extra(names, extra=config_repo.config_map("extra", n="1")))
        world.console.until_one("ConfigMap", names.dev, "extra", lambda _: True)
        world.edit({f"environments/{names.dev}/extra/extra.yaml": config_repo.config_map("extra", n="2")})
        world.until_status(names.dev, lambda now: any(each.action is Action.CONFIGURED for each in now.objects))
        found = self.checker.violations()
        assert any("I5" in each and "extra" in each for each in found), found
        assert any("I3" in each and "extra" in each for each in found), found

    def _edit(self, extra: str | None, *, tell: bool) -> None:
        """Another extra object instead of the last one, and another generated ConfigMap."""
        names, world = self.world.names, self.world
        files: dict[str, str] = {} if extra is None else {extra: config_repo.config_map(extra, n=str(self._number))}
        gone = {path: None for path, text in world.person.wrote.items() if "/extra/extra-" in path and text is not None}
        colour = config_repo.recoloured(f"c{self._number}{'b' if extra is None else 'a'}")
        overlay = {f"environments/{names.dev}/kustomization.yaml": colour}
        world.edit({**gone, **config_repo.extra(names, **files), **overlay}, tell=tell)

    def _arm(self, step: str) -> Controller:
        victim = self.world.controller
        if step in IN_GIT or step == IN_KUSTOMIZE:
            name = {IN_GIT[0]: "pre-receive", IN_GIT[1]: "post-receive", IN_KUSTOMIZE: "kustomize"}[step]
            (self.world.directory / f"{name}.victim").write_text(f"{victim.pid}\n")
            return victim
        found = next(each for each in ON_THE_LINE if each.name == step)

        def matches(request: Request) -> bool:
            return request.is_(found.methods, found.target)

        trap = Trap(matches, lambda: victim.signal(signal.SIGKILL), before=found.before, nth=found.nth)
        self.world.proxy.traffic.set(trap)
        return victim


def _hook(world: World, name: str, afterwards: str) -> None:
    """A hook of the remote that kills the controller once, if the test has written its pid."""
    hook = world.remote / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{_killing(world.directory / f'{name}.victim', afterwards)}")
    hook.chmod(0o755)


def _killing(victim: Path, afterwards: str) -> str:
    """Shell builtins only: kustomize runs with an empty PATH."""
    return f'if [ -s "{victim}" ]; then read pid < "{victim}"; : > "{victim}"; kill -9 "$pid"; {afterwards}; fi\n'


def _kustomize_that_kills(world_directory: Path, kustomize: Path) -> Path:
    wrapper = world_directory / "kustomize"
    victim = world_directory / "kustomize.victim"
    wrapper.write_text(f'#!/bin/sh\n{_killing(victim, "exit 1")}exec "{kustomize}" "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def _in_parallel(scenes: Sequence[Callable[[], None]]) -> None:
    """Waiting until the dead leader's Lease expires is most of the time of a recovery."""
    with ThreadPoolExecutor(len(scenes)) as pool:
        for done in [pool.submit(scene) for scene in scenes]:
            done.result()


MakeScenes = Callable[..., list[Scene]]


@pytest.fixture
def scenes(worlds: MakeWorld, kustomize: Path) -> Iterator[MakeScenes]:
    """Makes installations that end with the test."""
    everything: list[World] = []

    def make(count: int, *faults: str) -> list[Scene]:
        made = []
        for number in range(count):
            entry = ("-m", "tests.e2e.mutants", faults[number]) if faults else Settings().entry
            world = worlds()
            world.settings = Settings(entry=entry, kustomize=_kustomize_that_kills(world.directory, kustomize))
            made.append(world)
        everything.extend(made)
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(Scene, made))

    yield make
    _in_parallel([world.close for world in everything])


def test_controller_killed_at_each_named_step_recovers(scenes: MakeScenes) -> None:
    lanes = scenes(4)

    def run(lane: int) -> None:
        for step in STEPS[lane :: len(lanes)]:
            lanes[lane].endure(step)

    _in_parallel([partial(run, lane) for lane in range(len(lanes))])


def test_controller_killed_at_random_times_under_load_recovers(scenes: MakeScenes) -> None:
    """Twenty kills by seeds: a seed fixes the time of the kill after the begin of the load."""

    def run(scene: Scene, seed: int) -> None:
        times = random.Random(seed)
        for _ in range(20 // len(lanes)):
            scene.endure_load(times.uniform(0.0, 1.2))

    lanes = scenes(4)
    _in_parallel([partial(run, scene, seed) for seed, scene in enumerate(lanes)])


def test_invariant_checker_finds_built_in_faults(scenes: MakeScenes) -> None:
    """Verifies the checker itself: it must find these faults."""
    ahead, push, apply = scenes(3, "write-ahead", "push", "apply")
    _in_parallel([ahead.lose_track, push.break_a_promise, apply.lie])


def test_invariant_checker_finds_a_lost_commit_and_a_changed_foreign_object(scenes: MakeScenes) -> None:
    (scene,) = scenes(1)
    world = scene.world
    world.edit({"README.md": "Soon gone.\n"}, tell=False)
    git(world.remote, "update-ref", "refs/heads/main", "refs/heads/main~1")
    world.console.patch("ConfigMap", world.names.dev, "stranger", {"data": {"keep": "you"}})
    assert {violation[:2] for violation in scene.checker.violations()} == {"I2", "I4"}
