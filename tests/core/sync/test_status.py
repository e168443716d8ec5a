"""Statuses as values, and as JSON in the ledger."""

from datetime import UTC, datetime

import pytest

from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.status import (
    HISTORY_JSON,
    STATUS_JSON,
    Action,
    Condition,
    Drift,
    ObjectStatus,
    PendingRequest,
    Record,
    Revisions,
    Sync,
    SyncStatus,
)

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
HERE = Revision("1" * 40, "2" * 40)
KEY = Key("apps", "Deployment", "prod", "order")
READY = Condition("Ready", status=True, reason="Synced", message="", since=NOW)
OBJECT = ObjectStatus(
    KEY,
    Sync.OUT_OF_SYNC,
    Health.DEGRADED,
    "3 of 3 replicas updated",
    Action.CONFIGURED,
    changes=(FieldChange("/spec/replicas", "2", None),),
    drift=(Drift("/spec/replicas", "kubectl", "changed", NOW),),
)
STATUS = SyncStatus(
    "prod",
    "prod",
    Sync.OUT_OF_SYNC,
    Health.DEGRADED,
    NOW,
    revisions=Revisions(HERE, HERE, HERE, None),
    conditions=(READY,),
    images={"order": Image("h.example/order", "1", "sha256:" + "0" * 64)},
    objects=(OBJECT,),
    took={"render": 0.5},
    requests=(PendingRequest("promote/prod/x", "1" * 40, "hash", waived={"soak": "it burns"}),),
    waived=("soak: it burns",),
)


@pytest.mark.parametrize(
    ("kind", "expected"), [("changed", True), ("foreign", True), ("deleted", True), ("healed", False)]
)
def test_drift_is_open_until_it_is_healed(kind: str, *, expected: bool) -> None:
    drift = Drift("/data/a", "kubectl", kind)
    assert drift.is_open is expected
    assert ObjectStatus(KEY, Sync.SYNCED, Health.HEALTHY, drift=(drift,)).is_drifted is expected


def test_status_condition_by_its_type() -> None:
    assert STATUS.condition("Ready") is READY
    assert STATUS.condition("Stalled") is None


def test_status_and_history_survive_being_stored() -> None:
    record = Record(NOW, HERE, Sync.SYNCED, Health.HEALTHY, "Synced", "", actions={"created": 1}, images=STATUS.images)
    assert STATUS_JSON.validate_json(STATUS_JSON.dump_json(STATUS)) == STATUS
    assert HISTORY_JSON.validate_json(HISTORY_JSON.dump_json((record,))) == (record,)
