"""One process of an installation: what is started, in which order, and how it is stopped.

Not here: how the parts are made (app.assembly), what the queues run (app.tasks, app.passes, app.questions), and what
puts names into them (app.event_handlers).
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gitops.adapters.git.config_repo import GitConfigRepo
from gitops.adapters.kubernetes.api import KubernetesApi
from gitops.adapters.kubernetes.lease import LeaderElection
from gitops.app.event_handlers import LeadershipChanges
from gitops.app.image_facts import ImageFacts
from gitops.app.passes import OverlayPasses
from gitops.app.questions import Questions
from gitops.app.queues import Queues
from gitops.app.tasks import Tasks
from gitops.app.timers import Timers
from gitops.app.wiring import LiveParts
from gitops.image_updates.committer import Committer
from gitops.ports import Clock, Task
from gitops.registry_sweep.schedule import SweepSchedule
from gitops.runtime.loops import Loops
from gitops.web.apps import Listeners

_log = structlog.get_logger(__name__)

_STOP_SECONDS = 15.0
"""Seconds for the whole stop. Calls in progress have the rest of the usual grace period of 30 s."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that the listeners bound (host, port)."""

    webhooks: tuple[str, int]
    page: tuple[str, int]
    metrics: tuple[str, int]


@dataclass(frozen=True, slots=True)
class ControllerParts:
    """Everything that is started, stopped or closed. `loops` learns what was started."""

    queues: Queues
    tasks: Tasks
    passes: OverlayPasses
    questions: Questions
    facts: ImageFacts
    committer: Committer
    sweeps: SweepSchedule
    leader: LeaderElection
    leadership: LeadershipChanges
    live: LiveParts
    timers: Timers
    listeners: Listeners
    loops: Loops
    repo: GitConfigRepo
    api: KubernetesApi


class Controller:
    """start() once, stop() once."""

    def __init__(self, parts: ControllerParts, clock: Clock) -> None:
        self._parts = parts
        self._clock = clock

    def start(self) -> Addresses:
        """Returns when every loop runs; what is not reachable yet is tried again in the background.

        Raises: Rejected(ListenFailed) when an address cannot be bound.
        """
        parts, queues = self._parts, self._parts.queues
        queues.tasks.start(parts.tasks.run)
        queues.overlays.start(parts.passes.run)
        queues.questions.start(parts.questions.run)
        parts.facts.start()
        parts.committer.start()
        parts.sweeps.start()
        queues.tasks.add(Task.FETCH)
        parts.leader.start(parts.leadership)
        parts.timers.start()
        self._watch_loops()
        addresses = self._listen()
        _log.info("controller started", page=f"http://{addresses.page[0]}:{addresses.page[1]}/")
        return addresses

    def stop(self) -> None:
        """Stops taking deliveries, lets what runs finish for a few seconds, gives the Lease back."""
        parts, queues, left = self._parts, self._parts.queues, self._countdown()
        parts.listeners.webhooks.stop(left() / 2)
        parts.timers.stop()
        parts.sweeps.stop(left() / 4)
        parts.committer.stop(left())
        queues.tasks.stop(left())
        if queues.overlays.stop(left()):
            parts.leader.stop()  # else a pass still writes: the Lease runs out instead
        queues.questions.stop(_STOP_SECONDS)
        parts.facts.stop()
        parts.live.stop()
        for listener in (parts.listeners.page, parts.listeners.metrics):
            listener.stop(1.0)
        parts.repo.close()
        parts.api.close()
        _log.info("controller stopped")

    def _listen(self) -> Addresses:
        listeners = self._parts.listeners
        webhooks = listeners.webhooks.start()
        self._parts.loops.watch("webhooks", listeners.webhooks)
        return Addresses(webhooks, listeners.page.start(), listeners.metrics.start())

    def _watch_loops(self) -> None:
        parts, loops = self._parts, self._parts.loops
        loops.watch("committer", parts.committer)
        loops.watch("overlays", parts.queues.overlays)
        loops.watch("questions", parts.queues.questions)
        loops.watch("registries", parts.facts)
        loops.watch("sweeps", parts.sweeps)
        loops.watch("tasks", parts.queues.tasks)
        loops.watch("timers", parts.timers)

    def _countdown(self) -> Callable[[], float]:
        """Seconds that are left for stopping, at least 0.1."""
        ends = self._clock.monotonic() + _STOP_SECONDS
        return lambda: max(ends - self._clock.monotonic(), 0.1)
