"""The metrics that a scrape shows."""

import re
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest

from gitops.core.health import Health
from gitops.core.sync.status import Drift, Sync, SyncStatus
from gitops.runtime.metrics import Metrics

STATUS = SyncStatus("dev", "dev", Sync.SYNCED, Health.HEALTHY, datetime(2026, 1, 1, tzinfo=UTC))


def test_metrics_names_have_the_prefix_and_the_unit() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    names = re.findall(r"^# TYPE (\S+) (\S+)", generate_latest(registry).decode(), re.MULTILINE)
    assert names
    for name, kind in names:
        assert name.startswith("lockstep_")
        if kind == "counter":
            assert name.endswith("_total")
        if kind == "histogram":
            assert name.endswith("_seconds")


def test_metrics_of_two_registries_are_independent() -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    Metrics(first).commits.inc()
    Metrics(second)
    assert first.get_sample_value("lockstep_commits_total") == 1
    assert second.get_sample_value("lockstep_commits_total") == 0


def test_overlay_metrics_show_exactly_one_sync_and_one_health() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.status(STATUS)
    for name, values in (("sync", Sync), ("health", Health)):
        shown = {
            value: registry.get_sample_value(f"lockstep_overlay_{name}", {"overlay": "dev", name: str(value)})
            for value in values
        }
        assert sorted(map(str, shown.values())) == ["0.0"] * (len(values) - 1) + ["1.0"]
    metrics.forget_overlay("dev")
    assert b'overlay="dev"' not in generate_latest(registry)


def test_delivery_metrics_count_by_sender_and_status() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.delivery_answered("harbor", 200, 0.1)
    metrics.delivery_answered("", 401, 0.001)
    assert registry.get_sample_value("lockstep_deliveries_total", {"sender": "harbor", "status": "200"}) == 1
    assert registry.get_sample_value("lockstep_delivery_seconds_count", {"sender": ""}) == 1


def test_write_metrics_count_only_changes_of_the_cluster() -> None:
    registry = CollectorRegistry()
    Metrics(registry).on_write("dev", {"created": 2, "pruned": 1, "failed": 3, "skipped": 4})
    shown = {
        action: registry.get_sample_value("lockstep_writes_total", {"overlay": "dev", "action": action})
        for action in ("created", "pruned", "failed", "skipped")
    }
    assert shown == {"created": 2, "pruned": 1, "failed": None, "skipped": None}


def test_render_metrics_have_no_duration_for_a_cache_hit() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.on_render("hit", 0.0)
    metrics.on_render("built", 0.5)
    assert registry.get_sample_value("lockstep_renders_total", {"result": "hit"}) == 1
    assert registry.get_sample_value("lockstep_render_seconds_count") == 1


def test_overlay_metrics_are_dropped_by_a_replica_that_stops_leading() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.status(STATUS)
    metrics.on_write("dev", {"created": 1})
    metrics.on_drift("dev", [Drift("/spec", "kubectl-edit", "healed")])
    metrics.commits.inc()
    metrics.forget()
    assert b'overlay="' not in generate_latest(registry)
    assert registry.get_sample_value("lockstep_commits_total") == 1
