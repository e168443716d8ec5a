"""Results of a pass -> status, conditions and lines of the history."""

from datetime import UTC, datetime, timedelta

import pytest

from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.ownership.live_object import Observed
from gitops.core.revision import Revision
from gitops.core.sync import summary
from gitops.core.sync.missing_images import MissingImages
from gitops.core.sync.plan import Outcome, Skipped, Step, Unchanged
from gitops.core.sync.status import Action, Drift, ObjectStatus, Sync, SyncStatus
from gitops.core.sync.summary import PassResults, Stall

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
HERE = Revision("1" * 40, "1" * 40)


def test_summary_keeps_a_waiver_and_records_it_once() -> None:
    plain = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE), None, NOW)
    waived = PassResults("prod", "prod", HERE, HERE, HERE, waived=("soak: production is down",))
    after = summary.summarise(waived, plain, NOW)
    line = summary.record(plain, after, {})
    assert after.waived == ("soak: production is down",)
    assert line is not None
    assert line.waived == after.waived
    assert summary.record(after, summary.summarise(waived, after, NOW), {}) is None


def test_new_drift_until_a_status_shows_it_and_a_heal_is_always_new() -> None:
    key = Key("", "ConfigMap", "dev", "settings")
    foreign, healed = Drift("/data/x", "kubectl-edit", "foreign"), Drift("/data/y", "kubectl-edit", "healed")
    seen = ObjectStatus(key, Sync.SYNCED, Health.HEALTHY, drift=(foreign, healed))
    before = SyncStatus("dev", "dev", Sync.SYNCED, Health.HEALTHY, NOW, objects=(seen,))
    assert summary.new_drift([seen], None) == [foreign, healed]
    assert summary.new_drift([seen], before) == [healed]


KEY = Key("apps", "Deployment", "prod", "order")
SEEN = Observed(KEY, "uid", "1", health=Health.PROGRESSING, message="1 of 3 replicas updated")


def status(
    sync: Sync = Sync.SYNCED, health: Health = Health.HEALTHY, action: Action = Action.UNCHANGED
) -> ObjectStatus:
    return ObjectStatus(KEY, sync, health, "why", action)


@pytest.mark.parametrize(
    ("step", "outcome", "expected"),
    [
        (Unchanged(KEY), None, ObjectStatus(KEY, Sync.SYNCED, Health.PROGRESSING, SEEN.message)),
        (
            Unchanged(KEY),
            Outcome(KEY, Action.FAILED, "refused"),
            ObjectStatus(KEY, Sync.OUT_OF_SYNC, Health.PROGRESSING, "refused", Action.FAILED),
        ),
        (
            Skipped(KEY, "budget"),
            None,
            ObjectStatus(KEY, Sync.OUT_OF_SYNC, Health.PROGRESSING, "budget", Action.SKIPPED),
        ),
        (
            Skipped(KEY, "kept", blocks=False),
            None,
            ObjectStatus(KEY, Sync.SYNCED, Health.PROGRESSING, "kept", Action.SKIPPED),
        ),
    ],
)
def test_summary_of_one_object(step: Step, outcome: Outcome | None, expected: ObjectStatus) -> None:
    outcomes = {KEY: outcome} if outcome else {}
    assert summary.object_statuses((step,), outcomes, {KEY: SEEN}) == (expected,)


def test_summary_leaves_out_pruned_objects_and_misses_absent_ones() -> None:
    assert summary.object_statuses((Unchanged(KEY),), {KEY: Outcome(KEY, Action.PRUNED)}, {}) == ()
    assert summary.object_statuses((Unchanged(KEY),), {}, {})[0].health is Health.MISSING


@pytest.mark.parametrize(
    ("results", "sync", "reason", "conditions"),
    [
        (PassResults("prod", "prod", HERE, None, None), Sync.UNKNOWN, "Unknown", (False, False, False)),
        (
            PassResults("prod", "prod", HERE, HERE, HERE, (status(),)),
            Sync.SYNCED,
            "Synced",
            (True, False, False),
        ),
        (
            PassResults("prod", "prod", HERE, HERE, HERE, (status(health=Health.PROGRESSING),)),
            Sync.SYNCED,
            "Progressing",
            (False, True, False),
        ),
        (
            PassResults("prod", "prod", HERE, HERE, HERE, (status(health=Health.DEGRADED),)),
            Sync.SYNCED,
            "Degraded",
            (False, False, False),
        ),
        (
            PassResults("prod", "prod", HERE, HERE, HERE, (status(Sync.OUT_OF_SYNC, action=Action.FAILED),)),
            Sync.OUT_OF_SYNC,
            "ApplyFailed",
            (False, True, False),
        ),
        (
            PassResults("prod", "prod", HERE, HERE, HERE, (status(Sync.OUT_OF_SYNC, action=Action.SKIPPED),)),
            Sync.OUT_OF_SYNC,
            "Waiting",
            (False, True, False),
        ),
        (
            PassResults("prod", "prod", HERE, HERE, HERE, (status(),), stall=Stall("NotReleased", "is missing")),
            Sync.OUT_OF_SYNC,
            "NotReleased",
            (False, False, True),
        ),
    ],
)
def test_summary_conditions(results: PassResults, sync: Sync, reason: str, conditions: tuple[bool, bool, bool]) -> None:
    found = summary.summarise(results, None, NOW)
    ready = found.condition("Ready")
    assert ready is not None
    assert (found.sync, ready.reason) == (sync, reason)
    assert tuple(each.status for each in found.conditions) == conditions


def test_summary_moves_its_time_only_for_a_difference_that_a_person_would_notice() -> None:
    first = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE, (status(),)), None, NOW)
    elsewhere = Revision("2" * 40, "2" * 40)
    same = PassResults("prod", "prod", elsewhere, elsewhere, elsewhere, (status(),), took={"apply": 1.0})
    assert summary.summarise(same, first, LATER) is first
    worse = PassResults("prod", "prod", HERE, HERE, HERE, (status(health=Health.DEGRADED),))
    found = summary.summarise(worse, first, LATER)
    assert (found.at, found.revisions.healthy) == (LATER, HERE)
    stalled = found.condition("Stalled")
    assert stalled is not None
    assert stalled.since == NOW


def test_summary_keeps_the_last_action_of_an_unchanged_object() -> None:
    created = PassResults("prod", "prod", HERE, HERE, HERE, (status(action=Action.CREATED),))
    first = summary.summarise(created, None, NOW)
    found = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE, (status(),)), first, LATER)
    assert found.objects[0].action is Action.CREATED


@pytest.mark.parametrize(
    ("missing", "previous", "expected"),
    [
        (None, None, None),
        (MissingImages(), None, (True, "Pullable")),
        (MissingImages(in_use=("gone",)), None, (False, "ImageMissing")),
        (None, MissingImages(in_use=("gone",)), (False, "ImageMissing")),
    ],
)
def test_summary_of_missing_images(
    missing: MissingImages | None, previous: MissingImages | None, expected: tuple[bool, str] | None
) -> None:
    before = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE, missing=previous), None, NOW)
    found = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE, missing=missing), before, LATER)
    pullable = found.condition("Pullable")
    assert ((pullable.status, pullable.reason) if pullable else None) == expected


def test_actions_are_counted_without_unchanged_objects() -> None:
    outcomes = [Outcome(KEY, action) for action in (Action.CREATED, Action.CREATED, Action.UNCHANGED, Action.FAILED)]
    assert summary.actions(outcomes) == {"created": 2, "failed": 1}


@pytest.mark.parametrize(
    ("objects", "done", "expected"),
    [
        ((status(),), {}, None),
        ((status(),), {"configured": 1}, "Synced"),
        ((status(health=Health.DEGRADED),), {}, "Degraded"),
    ],
)
def test_record_is_written_for_a_change(
    objects: tuple[ObjectStatus, ...], done: dict[str, int], expected: str | None
) -> None:
    before = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE, (status(),)), None, NOW)
    after = summary.summarise(PassResults("prod", "prod", HERE, HERE, HERE, objects), before, LATER)
    line = summary.record(before, after, done)
    assert (line.reason if line else None) == expected
