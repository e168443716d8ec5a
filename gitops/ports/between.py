"""Ports between workflows: by these Protocols one workflow asks or notifies another without importing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gitops.ports.outside import Trees

if TYPE_CHECKING:  # an implementation of one port does not load the types of the others
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from gitops.core.config_repo.layout import Overlay
    from gitops.core.config_repo.pipeline import Pipeline
    from gitops.core.contract.parity import EnvironmentPair
    from gitops.core.image_updates.changes import Change
    from gitops.core.image_updates.events import ConfigPushed, ImageDeleted, ImageScanned
    from gitops.core.image_updates.sweep import RegistryState
    from gitops.core.images.reference import Image
    from gitops.core.objects import Key
    from gitops.core.sync.desired import Desired
    from gitops.core.sync.missing_images import MissingImages
    from gitops.core.sync.status import Drift, PendingNote, SyncStatus


class Clock(Protocol):
    """The time, as an argument: no rule and no workflow reads a clock of the process."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC: for people and for what is stored."""

    def monotonic(self) -> float:
        """Seconds that only grow: for intervals within this process."""


class Leadership(Protocol):
    """The right of this replica to write."""

    def is_leader(self) -> bool:
        """True while this replica holds the Lease of its installation."""


class Queue(Protocol):
    """A queue of names to look at, as client-go's workqueue. A name that waits is not added twice. Thread-safe."""

    def add(self, name: str, *, after: float = 0.0) -> None:
        """Adds a name; `after` is in seconds from now."""


class Loop(Protocol):
    """One or more threads that run as long as the process."""

    def is_alive(self) -> bool:
        """False if a thread has ended or hangs: only a restart of the process helps."""


class LeadershipListener(Protocol):
    """Receives the start and the end of this replica's leadership, in turns, from the thread of the election."""

    def started_leading(self) -> None:
        """Called after this replica starts to lead. Must not block."""

    def stopped_leading(self) -> None:
        """Called after this replica stops to lead, before it gives the Lease back. Must not block."""


class TermState(Protocol):
    """State that is valid only while this replica leads: other replicas write when it does not."""

    def forget(self) -> None:
        """Drops what was read or written while this replica led."""


class LiveListener(Protocol):
    """Learns from the watches that an object in the cluster changed."""

    def object_changed(self, part_of: str, key: Key) -> None:
        """Called by the threads of the watches, with the ApplySet id of the object. Returns at once."""


class PassObserver(Protocol):
    """Learns the result of every pass over an overlay."""

    def observe_pass(self, desired: Desired | None, status: SyncStatus) -> None:
        """`desired` is what the pass applied; None when the overlay is stalled."""


class SyncObserver(Protocol):
    """Counts the writes and the drift of passes."""

    def on_write(self, overlay: str, actions: Mapping[str, int]) -> None:
        """Counts the objects that a pass created, configured, pruned or failed to write; keys are values of Action."""

    def on_drift(self, overlay: str, drift: Sequence[Drift]) -> None:
        """The drift that a pass saw and that the status before it did not show."""


class PendingPromotions(Protocol):
    """The releases that wait to be promoted to an overlay, for its status."""

    def pending(self, overlay: str) -> PendingNote: ...


class Observation(Protocol):
    """The state of the watches. The time between two looks counts as observed only while they work."""

    def is_observing(self) -> bool:
        """True while it leads and its watches work."""


class ContractCheck(Protocol):
    """The contract, checked before a commit is pushed."""

    def forbidden(self, revision: str, changed: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Overlay -> its violations at a commit that changes these overlays, in sentences; empty = none."""


class ImageAvailability(Protocol):
    """Which images their registries no longer have. Reading it asks no registry."""

    def missing(self, desired: Desired) -> MissingImages | None:
        """The images of one overlay, for its status; None until its registries were asked for the first time."""

    def is_absent(self, image: Image) -> bool:
        """True when the registry is known to have lost this image."""


class ConfigHead(Protocol):
    """The config repo at the head that was taken in last. Reading it asks no remote. Thread-safe."""

    def pipeline(self) -> Pipeline | None:
        """The pipeline; None while pipeline.yaml is missing or invalid."""

    def overlays(self) -> Mapping[str, Overlay]:
        """Every overlay, by name."""


class ImageUse(Protocol):
    """Which images the containers of overlays use."""

    def images_in_use(self, name: str, image: str) -> Collection[str] | None:
        """Names of the images that the overlay's containers use, by its last render; None while that is not known. A
        render of an older commit is good enough if it has `image`. Returns at once.
        """


class SourceRevisions(Protocol):
    """From which commits images were built."""

    def revision(self, image: Image) -> str:
        """Empty while it is not known. Returns at once."""


class AnswerListener(Protocol):
    """Receives a call for each new or changed answer of a registry."""

    def on_answer(self) -> None:
        """Returns at once."""


class Backlog(Protocol):
    """Events whose senders wait for an answer."""

    @property
    def waiting(self) -> int:
        """The number of waiting events."""


class SweepObserver(Protocol):
    """Receives the results of registry sweeps."""

    def on_sweep(self, state: RegistryState) -> None:
        """The state of one registry after a sweep, whether it failed or not."""


class PassRequester(Protocol):
    """Asks the replica that leads for a pass, through the cluster. Raises as Cluster does."""

    def request(self, overlay: str, at: datetime) -> None:
        """Raises: Rejected(NotFound) when the overlay was never applied."""


class PassQueue(Protocol):
    """The overlays that this replica rechecks next. Returns at once."""

    def recheck(self, overlays: Collection[str]) -> None:
        """Overlays that git no longer has are ignored."""


class CommitListener(Protocol):
    """Learns of commits that the committer pushed."""

    def on_commit(self, head: str, changes: Sequence[Change], *, was_blocked: bool) -> None:
        """Called by the committer's thread after the push. `was_blocked`: pushes had failed before this one."""


class PromotionListener(Protocol):
    """Learns of the promoter's pushes. Called by the promoter's thread; returns at once."""

    def on_promotion(self, head: str) -> None:
        """A promotion or a rollback was pushed."""

    def head_changed(self, overlays: frozenset[str]) -> None:
        """The promoter took in a new head, which may change these overlays."""

    def notes_changed(self, overlays: frozenset[str]) -> None:
        """The notes on these overlays have changed: other releases wait, or wait for something else."""


class ObjectClaims(Protocol):
    """Which overlay an object belongs to, as git says."""

    def claim(self, key: Key, applyset: str) -> str:
        """The reason why an object with this ApplySet id may not be taken over, as the end of a sentence; empty = its
        overlay is gone, or no longer wants it.
        """


class SecretHashKey(Protocol):
    """The key of an installation for the hashes of Secrets that are stored in the cluster. Thread-safe."""

    def read(self) -> bytes:
        """Raises: Unavailable when the cluster that keeps it cannot be asked now."""


class TrunkHead(Protocol):
    """The trunk's head as it was taken in last."""

    def head(self) -> str:
        """A full commit id; empty before the first one."""

    def overlays(self) -> Mapping[str, Overlay]:
        """Every overlay of that head, by name."""


class CommitSubjects(Trees, Protocol):
    """Trees of a config repo, and the subjects of its commits."""

    def subjects(self, path: str, older: str, newer: str) -> Sequence[str]:
        """The commits in between that touched the path, one line each, newest first."""


class EnvironmentComparer(Protocol):
    """Compares two environments of one head of the trunk. Thread-safe."""

    def parity(self, head: str, a: str, b: str) -> Sequence[EnvironmentPair]:
        """One pair for each service. Raises: Rejected, Unavailable."""


class WebhookEvents(Protocol):
    """Takes in the events of webhook deliveries that ask for no commit. Each method returns at once, with one sentence
    for the answer to the sender. Thread-safe.
    """

    def config_pushed(self, event: ConfigPushed) -> str:
        """A push to the config repo."""

    def source_pushed(self, event: ConfigPushed) -> str | None:
        """A push to any other repository; None when pipeline.yaml builds no service from it."""

    def registry_news(self, event: ImageScanned | ImageDeleted) -> str:
        """A scan of an image, or a deletion, in a registry."""


class WebhookSecrets(Protocol):
    """The secrets of one webhook sender. Thread-safe."""

    def read(self) -> Sequence[bytes]:
        """The secrets as they are now, several during a rotation. Called at every request, so that a rotated secret
        needs no restart.
        """


class DeliveryObserver(Protocol):
    """Counts the answers to webhook deliveries. Thread-safe."""

    def delivery_answered(self, sender: str, status: int, seconds: float) -> None:
        """`sender` is empty when the request was not authentic; `status` is that of HTTP; `seconds` since the first
        byte of the request. Returns at once.
        """


class Probes(Protocol):
    """The faults of this process, for /healthz and /readyz: one short text each, never a value; empty when there are
    none. Thread-safe.
    """

    def dead_loops(self) -> Sequence[str]:
        """The loops that ended or hang: only a restart helps."""

    def unready(self) -> Sequence[str]:
        """The reasons why the process cannot do its work now."""
