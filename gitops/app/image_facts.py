"""What is known of images beyond git and the cluster: by their registries and by pushes to their sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gitops.promotion.gate_check import ImageQueries
from gitops.registry_queries.source_pushes import SourcePushes
from gitops.runtime.workqueue import Workqueue

_STOP = timedelta(seconds=1)
"""For each queue: what is under way is a question, and nothing is lost with it."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """`queues`: who asks the registries; each kind of question has its own, so that one never waits for the other."""

    registries: ImageQueries
    pushes: SourcePushes
    queues: Sequence[Workqueue]

    def start(self) -> None:
        for queue in self.queues:
            queue.start()

    def stop(self) -> None:
        for queue in self.queues:
            queue.stop(_STOP.total_seconds())

    def is_alive(self) -> bool:
        return all(queue.is_alive() for queue in self.queues)
