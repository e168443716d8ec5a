"""What the page is told. The page never asks the cluster or the config repo itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.contract.parity import ParityComparison
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.images.reference import Image
from gitops.core.promotion.lineage import RepoHistory
from gitops.core.sync.status import Record, SyncStatus

Statuses = Mapping[str, tuple[SyncStatus, Sequence[Record]]]
"""Overlay name -> its current status and its history, newest first. The shape of `Ledger.read_all`."""


@dataclass(frozen=True, slots=True)
class ControllerTrouble:
    """Something that keeps this replica from doing its work. `reason` is CamelCase: those that are known have
    translations, others are shown as they are. No credentials in `message`.
    """

    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ControllerState:
    """The replica that serves the page. `repo` is a name for people and holds no credentials.

    `head` is the trunk's commit as last fetched and `head_since` when it was first seen. `commit_url` is the address of
    a commit on the git host, with `{commit}` where its id belongs; empty = revisions are not links. `registries`: how
    their sweeps fare, as far as this replica makes them.
    """

    repo: str
    trunk: str
    leader: bool
    version: str = ""
    head: str | None = None
    head_since: datetime | None = None
    commit_url: str = ""
    troubles: tuple[ControllerTrouble, ...] = ()
    registries: tuple[RegistryState, ...] = ()


class StatusSource(Protocol):
    """Read by every request, a few times a second with many viewers: implementations cache. Thread-safe.

    Every method raises Unavailable when it cannot answer now; the page then says so with status 503.
    """

    def statuses(self) -> Statuses: ...

    def pipeline(self) -> Pipeline | None:
        """pipeline.yaml of the trunk's head; the last valid one while the newest is not; None when there is none."""

    def past(self) -> RepoHistory:
        """What the commits below environments/ tell, as of the trunk's head."""

    def parity(self, a: str, b: str) -> ParityComparison:
        """What is known of two environments of the pipeline, without waiting; what is not known is worked out soon."""

    def known_parity(self, a: str, b: str) -> ParityComparison:
        """The same, without asking for anything to be worked out."""

    def origin(self, image: Image) -> BuildOrigin | None:
        """What the labels of an image say, without waiting; None while that is not known."""

    def source_pushes(self, service: str) -> Sequence[SourcePush]:
        """The newest pushes to what a service is built from, as this replica has heard of them."""

    def controller(self) -> ControllerState: ...


@dataclass(frozen=True, slots=True)
class PageInputs:
    """`now` returns the current time, aware, in UTC."""

    source: StatusSource
    now: Callable[[], datetime]
