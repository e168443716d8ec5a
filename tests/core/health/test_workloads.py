"""Counts of replicas -> verdicts. Recorded bodies: the fixtures of test_health."""

from typing import Any

import pytest

from gitops.core.health import workloads
from gitops.core.health.verdict import Health


def body(spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 1}, "spec": spec, "status": {"observedGeneration": 1, **status}}


@pytest.mark.parametrize(
    ("replicas", "status", "expected"),
    [
        (3, {}, (Health.PROGRESSING, "0 of 3 replicas updated")),
        (3, {"updatedReplicas": 3, "replicas": 4}, (Health.PROGRESSING, "1 old replica still running")),
        (3, {"updatedReplicas": 3, "replicas": 3}, (Health.PROGRESSING, "0 of 3 replicas available")),
        (
            1,
            {"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1},
            (Health.HEALTHY, "1 of 1 replica available"),
        ),
        (0, {}, (Health.HEALTHY, "scaled to zero")),
    ],
)
def test_deployment_counts(replicas: int, status: dict[str, int], expected: tuple[Health, str]) -> None:
    assert workloads.deployment(body({"replicas": replicas}, **status)) == expected


@pytest.mark.parametrize(
    ("partition", "updated", "health"),
    [(0, 2, Health.PROGRESSING), (1, 2, Health.HEALTHY), (5, 0, Health.HEALTHY)],
)
def test_stateful_set_partition(partition: int, updated: int, health: Health) -> None:
    spec = {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": partition}}}
    counts = {
        "replicas": 3,
        "readyReplicas": 3,
        "updatedReplicas": updated,
        "currentRevision": "a",
        "updateRevision": "b",
    }
    assert workloads.stateful_set(body(spec, **counts))[0] is health


@pytest.mark.parametrize(
    ("strategy", "updated", "health"),
    [("RollingUpdate", 1, Health.PROGRESSING), ("OnDelete", 1, Health.HEALTHY), ("RollingUpdate", 2, Health.HEALTHY)],
)
def test_daemon_set_strategy(strategy: str, updated: int, health: Health) -> None:
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": 2}
    assert workloads.daemon_set(body({"updateStrategy": {"type": strategy}}, **counts))[0] is health


def test_replica_set_with_surplus_replicas() -> None:
    found = workloads.replica_set(body({"replicas": 1}, replicas=2, availableReplicas=2))
    assert found == (Health.PROGRESSING, "1 surplus replica still running")
