"""The metrics of the controller, all in one place. docs/operations.md lists them.

Label values come from the configuration and from fixed sets, never from a stranger: a series lives as long as the
process. The series of an overlay are dropped when it leaves git, and when this replica stops to lead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gitops.core.health import Health
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.sync.status import Action, Drift, Sync, SyncStatus

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_WRITES = frozenset({str(action) for action in (Action.CREATED, Action.CONFIGURED, Action.PRUNED)})


class Metrics:
    """Names are `lockstep_<what>_<unit>`; counters end in `_total`, as Prometheus wants them.

    Implements ports.SyncObserver, ports.SweepObserver, ports.RenderObserver, ports.GitObserver and ports.TermState.

    https://prometheus.io/docs/practices/naming/
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        seconds = partial(Histogram, buckets=_FAST, registry=registry)
        overlay = "overlay"
        self.reconcile_seconds = seconds(
            "lockstep_reconcile_seconds", "Time of one pass over an overlay", [overlay, "outcome"]
        )
        self.sync = gauge("lockstep_overlay_sync", "1 for the overlay's current sync", [overlay, "sync"])
        self.health = gauge("lockstep_overlay_health", "1 for the overlay's current health", [overlay, "health"])
        self.observed_at = gauge("lockstep_overlay_observed_timestamp_seconds", "Unix time of the last pass", [overlay])
        self.drifts = counter("lockstep_drifts_total", "Drifted fields, once when they appear", [overlay, "kind"])
        self.writes = counter("lockstep_writes_total", "Objects written to the cluster", [overlay, "action"])
        self.deliveries = counter("lockstep_deliveries_total", "Webhook deliveries by answer", ["sender", "status"])
        self.delivery_seconds = seconds("lockstep_delivery_seconds", "Time from first byte to answer", ["sender"])
        self.commits = counter("lockstep_commits_total", "Commits that were pushed")
        self.push_seconds = seconds("lockstep_push_seconds", "Time of one push to the trunk", ["outcome"])
        self.fetch_seconds = seconds("lockstep_fetch_seconds", "Time of one fetch, by outcome", ["outcome"])
        self.inbox_events = gauge("lockstep_inbox_events", "Events that wait for their commit")
        self.queue_items = gauge("lockstep_queue_items", "Overlays that wait for a pass")
        self.watches = gauge("lockstep_watches", "Watches by state", ["state"])
        self.renders = counter(
            "lockstep_renders_total", "Renders asked for: hit (from the cache), built or failed", ["result"]
        )
        self.render_seconds = seconds("lockstep_render_seconds", "Time of one render that is not cached")
        self.swept_at = gauge(
            "lockstep_registry_swept_timestamp_seconds", "Unix time of the last sweep that reached it", ["registry"]
        )
        self.sweep_failing = gauge("lockstep_registry_sweep_failing", "1 while sweeps of it fail", ["registry"])
        self.leader = gauge("lockstep_leader", "1 while this process holds the Lease")
        self._of_overlays = (
            self.reconcile_seconds, self.sync, self.health, self.observed_at, self.drifts, self.writes,
        )  # fmt: skip

    def delivery_answered(self, sender: str, status: int, seconds: float) -> None:
        """`sender` is empty for a request that was not authentic."""
        self.deliveries.labels(sender, str(status)).inc()
        self.delivery_seconds.labels(sender).observe(seconds)

    def status(self, status: SyncStatus) -> None:
        """The gauges of one overlay after a pass."""
        for sync in Sync:
            self.sync.labels(status.overlay, str(sync)).set(sync == status.sync)
        for health in Health:
            self.health.labels(status.overlay, str(health)).set(health == status.health)
        self.observed_at.labels(status.overlay).set(_unix(status.at))

    def on_sweep(self, state: RegistryState) -> None:
        """The gauges of one registry after a sweep."""
        if state.swept_at is not None:
            self.swept_at.labels(state.host).set(_unix(state.swept_at))
        self.sweep_failing.labels(state.host).set(state.failing_since is not None)

    def on_write(self, overlay: str, actions: Mapping[str, int]) -> None:
        for action in _WRITES & actions.keys():
            self.writes.labels(overlay, action).inc(actions[action])

    def on_drift(self, overlay: str, drift: Sequence[Drift]) -> None:
        for each in drift:
            self.drifts.labels(overlay, each.kind).inc()

    def on_render(self, result: str, seconds: float) -> None:
        self.renders.labels(result).inc()
        if result != "hit":
            self.render_seconds.observe(seconds)

    def on_fetch(self, outcome: str, seconds: float) -> None:
        self.fetch_seconds.labels(outcome).observe(seconds)

    def on_push(self, outcome: str, seconds: float) -> None:
        self.push_seconds.labels(outcome).observe(seconds)

    def forget_overlay(self, overlay: str) -> None:
        """Drops every series of an overlay that left git."""
        for metric in self._of_overlays:
            metric.remove_by_labels({"overlay": overlay})

    def forget(self) -> None:
        """Drops the series of all overlays: this replica no longer leads, so its numbers would grow old."""
        for metric in self._of_overlays:
            metric.clear()


def _unix(moment: datetime) -> float:
    return moment.timestamp()
