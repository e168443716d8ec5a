"""Pods that have run, and what a Pod, Job or CronJob without a status is. Verdicts: the fixtures of test_health."""

from typing import Any

import pytest

from gitops.core.health import pods
from gitops.core.health.verdict import Health

READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Running", "conditions": READY}, True),
        ({"phase": "Succeeded"}, True),
        ({"phase": "Running"}, False),
        ({"phase": "Failed"}, False),
        ({}, False),
    ],
)
def test_pod_has_run(status: dict[str, Any], *, expected: bool) -> None:
    assert pods.has_run({"status": status}) is expected


@pytest.mark.parametrize(
    ("waiting", "health"),
    [
        ({"reason": "ContainerCreating"}, Health.PROGRESSING),
        ({"reason": "PodInitializing"}, Health.PROGRESSING),
        ({}, Health.PROGRESSING),
        ({"reason": "CreateContainerConfigError", "message": "no secret"}, Health.DEGRADED),
        ({"reason": "InvalidImageName"}, Health.DEGRADED),
    ],
)
def test_pod_with_a_waiting_container(waiting: dict[str, str], health: Health) -> None:
    status = {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": waiting}}]}
    assert pods.pod({"status": status})[0] is health


def test_job_and_cron_job_without_a_status() -> None:
    assert pods.job({"spec": {"completions": 2}}) == (Health.PROGRESSING, "0 of 2 completions, 0 active, 0 failed")
    assert pods.cron_job({"spec": {}}) == (Health.HEALTHY, "never ran yet")
