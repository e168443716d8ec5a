"""When an overlay is looked at again, as a table: plan, outcomes, context -> seconds."""

import pytest

from gitops.core.errors import Unavailable
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.live_object import Observed
from gitops.core.sync import requeue
from gitops.core.sync.plan import RETAINED, Cause, Configure, Outcome, Plan, Skipped, Unchanged
from gitops.core.sync.requeue import RequeueFacts
from gitops.core.sync.status import Action, Drift

APP = Key("apps", "Deployment", "shop-dev", "order")
WEB = Key("apps", "Deployment", "shop-dev", "web")
OLD = Key("", "ConfigMap", "shop-dev", "order-config-2t9b5g7h4k")
DRIFT = (Drift("/spec/replicas", "console", "changed"),)

VERIFIED = Configure(Manifest(WEB, {}, "hash"), Observed(WEB, "uid", "1"), Cause.VERIFIED)
CALMED = Skipped(APP, "console keeps changing it back", drift=DRIFT)
RETAINING = Skipped(OLD, RETAINED, blocks=False)
EVERYTHING = RequeueFacts({APP: 8.0}, status_due=2.0, was_healthy=True, asked_references=True)


@pytest.mark.parametrize(
    ("steps", "context", "expected"),
    [
        ((), EVERYTHING, 2.0),
        ((Unchanged(APP),), RequeueFacts(), None),
        ((CALMED, VERIFIED, RETAINING), EVERYTHING, 8.0),
        ((CALMED, Skipped(WEB, "too", drift=DRIFT)), RequeueFacts({APP: 8.0, WEB: 16.0}), 16.0),
        ((CALMED, VERIFIED, RETAINING), RequeueFacts(status_due=2.0, was_healthy=True), 0.0),
        ((Skipped(APP, "observe mode"), VERIFIED), EVERYTHING, 0.0),
        ((RETAINING,), EVERYTHING, 2.0),
        ((RETAINING,), RequeueFacts(was_healthy=True, asked_references=True), 600.0),
        ((RETAINING,), RequeueFacts(was_healthy=True), 0.0),
        ((RETAINING,), RequeueFacts(asked_references=True), None),
    ],
    ids=[
        "status-late",
        "in-order",
        "drift-before-all",
        "longest-wait",
        "verified-before-status",
        "no-drift-no-wait",
        "status-before-retained",
        "references-asked",
        "references-not-asked",
        "never-healthy",
    ],
)
def test_requeue_takes_the_first_reason(steps: Plan, context: RequeueFacts, expected: float | None) -> None:
    assert requeue.delay(steps, {}, context) == expected


@pytest.mark.parametrize(
    ("steps", "outcomes", "count"),
    [
        ((Skipped(APP, "Invalid: spec", failed=True),), {}, "1 of 1"),
        ((Unchanged(WEB), CALMED), {APP: Outcome(APP, Action.FAILED)}, "1 of 2"),
        ((Skipped(APP, "x", failed=True), VERIFIED), {WEB: Outcome(WEB, Action.FAILED)}, "2 of 2"),
    ],
    ids=["dry-run", "apply", "both"],
)
def test_requeue_of_a_failure_is_left_to_the_queue(steps: Plan, outcomes: dict[Key, Outcome], count: str) -> None:
    with pytest.raises(Unavailable, match=f"{count} objects could not be applied") as caught:
        requeue.delay(steps, outcomes, EVERYTHING)
    assert caught.value.reason == "Incomplete"
