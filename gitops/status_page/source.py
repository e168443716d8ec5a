"""The data that the page shows, as Protocols and values. The page never reads the cluster or the config repo itself."""

from collections.abc import Mapping, Sequence
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
from gitops.ports import Clock

Statuses = Mapping[str, tuple[SyncStatus, Sequence[Record]]]
"""Overlay name -> its current status and its history, newest first, as `Ledger.read_all` returns them."""


@dataclass(frozen=True, slots=True)
class ControllerTrouble:
    """A failure that keeps this replica from its work. `reason` is CamelCase; the page translates the reasons that it
    knows. `message` holds no credentials.
    """

    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ControllerState:
    """The replica that serves the page. `repo` is the config repo's name for people, without credentials.

    `head` is the trunk's commit as last fetched, `head_since` the time when it was first seen. `commit_url` is the
    address of a commit on the git host with `{commit}` in place of its id; if empty, revisions are not links.
    `registries` holds the state of the sweeps that this replica makes.
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
    """Called by every request, several times a second with many viewers, so implementations cache. Thread-safe.

    A method raises Unavailable when it cannot answer now; the page then answers 503.
    """

    def statuses(self) -> Statuses: ...

    def pipeline(self) -> Pipeline | None:
        """pipeline.yaml at the trunk's head, or the last valid one while it is invalid; None without any."""

    def past(self) -> RepoHistory:
        """The history of environments/ in the config repo, up to the trunk's head."""

    def parity(self, a: str, b: str) -> ParityComparison:
        """The newest comparison of two environments, without waiting. An outdated one is queued to be made again."""

    def known_parity(self, a: str, b: str) -> ParityComparison:
        """The newest comparison of two environments, without queueing another one."""

    def origin(self, image: Image) -> BuildOrigin | None:
        """The build origin in the image's labels, without waiting; None until the registry has answered."""

    def source_pushes(self, service: str) -> Sequence[SourcePush]:
        """The newest pushes to the service's source repositories that this replica received a webhook for."""

    def controller(self) -> ControllerState: ...


@dataclass(frozen=True, slots=True)
class PageInputs:
    """Everything that the page needs from the rest of the controller."""

    source: StatusSource
    clock: Clock
