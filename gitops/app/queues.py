"""The queues of the controller. They carry names only; app.tasks, app.passes and app.questions say what each name
means.
"""

import random
from dataclasses import dataclass

from gitops.ports import Clock
from gitops.runtime.workqueue import Backoff, Workqueue

_random = random.SystemRandom()
_FIRST_RETRY = 0.2
"""Delay before the first retry, in seconds."""
_PARALLEL_QUERIES = 2
"""Parallel requests for each kind of query."""


@dataclass(frozen=True, slots=True)
class Queues:
    """`tasks` concern the whole config repo; `overlays` wait for a pass, which they get only while this replica leads;
    `questions` come from people who look at the page. `scans` and `origins` are digests that registries are asked
    about: each kind of query has its own queue, so that one never waits for the other.
    """

    tasks: Workqueue
    overlays: Workqueue
    questions: Workqueue
    scans: Workqueue
    origins: Workqueue


def queues(clock: Clock, workers: int) -> Queues:
    """`workers`: the number of passes that run at once."""

    def queue(parallel: int) -> Workqueue:
        backoff = Backoff(_random.random, first=_FIRST_RETRY)
        return Workqueue(backoff=backoff, clock=clock.monotonic, workers=parallel)

    return Queues(
        tasks=queue(2),
        overlays=queue(workers),
        questions=queue(1),
        scans=queue(_PARALLEL_QUERIES),
        origins=queue(_PARALLEL_QUERIES),
    )
