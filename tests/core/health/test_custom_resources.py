"""kstatus and well-known custom resources. Recorded bodies: the fixtures of test_health."""

from typing import Any

import pytest

from gitops.core.health import custom_resources
from gitops.core.health.verdict import Health


def body(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": 2}, "status": {"conditions": list(conditions), **status}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (body(), (Health.HEALTHY, "")),
        (body(observedGeneration=1), (Health.PROGRESSING, "its controller has not seen generation 2 yet")),
        (body({"type": "Stalled", "status": "True", "message": "no"}), (Health.DEGRADED, "no")),
        (body({"type": "Reconciling", "status": "True", "message": "soon"}), (Health.PROGRESSING, "soon")),
        (body({"type": "Ready", "status": "True", "message": "up"}), (Health.HEALTHY, "up")),
        (body({"type": "Ready", "status": "Unknown"}), (Health.PROGRESSING, "not ready")),
        (
            body({"type": "Ready", "status": "True", "observedGeneration": 1}),
            (Health.PROGRESSING, "its Ready condition is about an older generation"),
        ),
    ],
)
def test_any_kind_follows_kstatus(found: dict[str, Any], expected: tuple[Health, str]) -> None:
    assert custom_resources.any_kind(found) == expected


@pytest.mark.parametrize(
    ("phase", "health"),
    [
        ("Healthy", Health.HEALTHY),
        ("Paused", Health.SUSPENDED),
        ("Degraded", Health.DEGRADED),
        ("new", Health.PROGRESSING),
    ],
)
def test_rollout_phase(phase: str, health: Health) -> None:
    assert custom_resources.rollout({"status": {"phase": phase}})[0] is health
