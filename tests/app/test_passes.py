"""One timed pass over an overlay: when it steps aside, and what follows from its result."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from gitops.app.event_handlers import OverlayQueue
from gitops.app.passes import OverlayPasses, PassParties
from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Conflict, Unavailable
from gitops.core.health import Health
from gitops.core.sync.status import Record, Sync, SyncStatus
from gitops.reconcile.status_writer import StatusWriter
from gitops.runtime.metrics import Metrics
from tests.worlds.clocks import WorldClock
from tests.worlds.ports import Leader, Names

DEV, TEST = (
    Overlay("dev", "dev", "environments/dev", "shop-dev"),
    Overlay("test", "test", "environments/test", "shop-test"),
)
STATUS = SyncStatus("dev", "dev", Sync.SYNCED, Health.HEALTHY, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass
class StoredStatuses:
    """The ledger and the Events of a cluster, in memory."""

    statuses: dict[str, tuple[SyncStatus, tuple[Record, ...]]] = field(default_factory=dict)

    def read_all(self) -> dict[str, tuple[SyncStatus, tuple[Record, ...]]]:
        return self.statuses

    def write(self, status: SyncStatus, line: Record | None) -> None:
        self.statuses[status.overlay] = (status, (line,) if line else ())

    def announce(self, overlay: str, line: Record) -> None:
        """Drop the Event."""


@dataclass
class Backlog:
    """The committer, as passes see it."""

    crowded: bool = False

    def is_crowded(self) -> bool:
        return self.crowded


@dataclass
class Trunk:
    """The desired state, as passes see it: the overlays of git."""

    names: dict[str, Overlay]

    def overlays(self) -> dict[str, Overlay]:
        return self.names


@dataclass
class Passes:
    """The reconciler: a pass does what `result` does."""

    result: Callable[[], float | None] = lambda: 30.0
    has_recalled: bool = True
    made: list[str] = field(default_factory=list)

    def reconcile(self, name: str) -> float | None:
        self.made.append(name)
        return self.result()

    def breached_overlays(self) -> frozenset[str]:
        return frozenset({"dev", "test"})


class World:
    def __init__(self, *, leads: bool = True) -> None:
        self.stored = cast("Any", StoredStatuses({"dev": (STATUS, ())}))
        self.statuses = StatusWriter(self.stored, self.stored, WorldClock())
        self.statuses.recall()
        self.committer = cast("Any", Backlog())
        self.desired = cast("Any", Trunk({"dev": DEV, "test": TEST}))
        self.reconciler = cast("Any", Passes())
        self.tasks, self.overlays = Names(), Names()
        self.registry = CollectorRegistry()
        parties = PassParties(
            reconciler=self.reconciler,
            statuses=self.statuses,
            desired=self.desired,
            committer=self.committer,
            tasks=self.tasks,
            passes=OverlayQueue(self.overlays, self.desired),
        )
        self.passes = OverlayPasses(parties, Leader(leads), WorldClock(), Metrics(self.registry))

    def fail(self, error: Exception) -> None:
        def fails() -> float | None:
            raise error

        self.reconciler.result = fails

    def measured(self, outcome: str) -> float | None:
        labels = {"overlay": "dev", "outcome": outcome}
        return self.registry.get_sample_value("lockstep_reconcile_seconds_count", labels)

    def reason(self) -> str:
        status = self.statuses.status("dev")
        condition = status.condition("Ready") if status else None
        return condition.reason if condition else ""


def test_pass_that_changes_no_status_wakes_nothing() -> None:
    world = World()
    assert world.passes.run("dev") == 30.0
    assert (world.reconciler.made, world.tasks.names, world.overlays.names) == (["dev"], [], [])
    assert world.measured("ok") == 1


def test_pass_with_a_new_status_looks_at_promotions_and_at_other_overlays_with_violations() -> None:
    world = World()

    def report() -> None:
        world.stored.statuses["dev"] = (SyncStatus("dev", "dev", Sync.OUT_OF_SYNC, Health.HEALTHY, STATUS.at), ())
        world.statuses.recall()

    world.reconciler.result = report
    assert world.passes.run("dev") is None
    assert (world.tasks.names, world.overlays.names) == (["promote"], ["test"])


def test_pass_steps_aside_while_senders_wait() -> None:
    world = World()
    world.committer.crowded = True
    assert world.passes.run("dev") == pytest.approx(0.1)
    assert world.reconciler.made == []


def test_pass_is_left_to_a_leader_that_has_read_the_cluster() -> None:
    follower, new = World(leads=False), World()
    new.reconciler.has_recalled = False
    for world in (follower, new):
        assert world.passes.run("dev") is None
        assert world.reconciler.made == []


def test_bug_in_a_pass_is_reported_as_an_internal_error() -> None:
    world = World()
    world.fail(KeyError("spec"))
    with pytest.raises(KeyError):
        world.passes.run("dev")
    assert world.reason() == "InternalError"
    assert (world.measured("bug"), world.tasks.names) == (1, [])


def test_conflict_in_a_pass_asks_for_the_head() -> None:
    world = World()
    world.fail(Conflict("TrunkMoved", "a new head"))
    with pytest.raises(Conflict):
        world.passes.run("dev")
    assert (world.tasks.names, world.measured("failed"), world.reason()) == (["refresh"], 1, "")


def test_outage_in_a_pass_is_left_to_the_queue() -> None:
    world = World()
    world.fail(Unavailable("Timeout", "no answer"))
    with pytest.raises(Unavailable):
        world.passes.run("dev")
    assert (world.tasks.names, world.measured("failed"), world.reason()) == ([], 1, "")


def test_pass_over_an_overlay_that_left_git_drops_its_metrics() -> None:
    world = World()
    world.passes.run("dev")
    world.desired.names = {"test": TEST}
    world.passes.run("dev")
    assert world.measured("ok") is None
