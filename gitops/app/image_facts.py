"""Facts about images beyond git and the cluster: from their registries, and from pushes to their sources."""

from dataclasses import dataclass

from gitops.promotion.gate_facts import ImageQueries
from gitops.registry_queries.source_pushes import SourcePushes
from gitops.runtime.workqueue import Workqueue

_STOP_SECONDS = 1.0
"""For each queue: a query that is cut off loses nothing."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """`scans` and `origins` hold the digests that registries are to be asked about. Implements ports.Loop."""

    registries: ImageQueries
    pushes: SourcePushes
    scans: Workqueue
    origins: Workqueue

    def start(self) -> None:
        self.scans.start(self.registries.scans.work)
        self.origins.start(self.registries.origins.work)

    def stop(self) -> None:
        self.scans.stop(_STOP_SECONDS)
        self.origins.stop(_STOP_SECONDS)

    def is_alive(self) -> bool:
        return self.scans.is_alive() and self.origins.is_alive()
