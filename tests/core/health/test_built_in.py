"""Rules for built-in kinds that run no pods. Recorded bodies: the fixtures of test_health."""

from typing import Any

import pytest

from gitops.core.health import built_in
from gitops.core.health.verdict import Health


@pytest.mark.parametrize(
    ("phase", "health"),
    [("Bound", Health.HEALTHY), ("Pending", Health.PROGRESSING), (None, Health.PROGRESSING), ("Lost", Health.DEGRADED)],
)
def test_persistent_volume_claim_phase(phase: str | None, health: Health) -> None:
    assert built_in.persistent_volume_claim({"spec": {}, "status": {"phase": phase}})[0] is health


@pytest.mark.parametrize(
    ("kind", "address", "health"),
    [
        ("ClusterIP", None, Health.HEALTHY),
        ("LoadBalancer", None, Health.PROGRESSING),
        ("LoadBalancer", {"ingress": [{"ip": "192.0.2.1"}]}, Health.HEALTHY),
    ],
)
def test_service_address(kind: str, address: object, health: Health) -> None:
    assert built_in.service({"spec": {"type": kind}, "status": {"loadBalancer": address}})[0] is health


def test_namespace_is_healthy() -> None:
    assert built_in.namespace({"status": {"phase": "Active"}}) == (Health.HEALTHY, "")


def test_api_service_without_a_condition() -> None:
    body: dict[str, Any] = {"status": {}}
    assert built_in.api_service(body) == (Health.PROGRESSING, "not available")
    assert built_in.custom_resource_definition(body) == (Health.PROGRESSING, "not established yet")
