"""Steps that are shown and not executed, as tables: plan, target, pauses -> plan."""

import pytest

from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Member
from gitops.core.ownership.live_object import Observed
from gitops.core.sync import withholding
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.plan import Cause, Configure, Create, Prune, Skipped, Step, Strip, Unchanged
from gitops.core.sync.status import Drift

APP = Key("apps", "Deployment", "shop-dev", "order")
MANIFEST = Manifest(APP, {}, "hash")
SEEN = Observed(APP, "uid", "1")
MEMBERS = {APP: Member(APP, "v1", "uid", "hash", "print", 1)}
CHANGES = (FieldChange("/spec/replicas", "3", "2"),)
DRIFT = (Drift("/spec/replicas", "console", "changed"), Drift("/spec/paused", "argo", "changed"))

NEW = Create(MANIFEST)
EDITED = Configure(MANIFEST, SEEN, Cause.MANIFEST, CHANGES)
DRIFTED = Configure(MANIFEST, SEEN, Cause.DRIFT, CHANGES, DRIFT)
FOREIGN = Strip(MANIFEST, SEEN, (), CHANGES, DRIFT[:1])
VERIFIED = Configure(MANIFEST, SEEN, Cause.VERIFIED)


@pytest.mark.parametrize(
    ("step", "waits", "expected"),
    [
        (NEW, {}, NEW),
        (EDITED, {APP: 4.0}, EDITED),
        (DRIFTED, {}, DRIFTED),
        (
            DRIFTED,
            {APP: 4.4},
            Skipped(APP, "argo, console keeps changing it back; healed again in 4 s", changes=CHANGES, drift=DRIFT),
        ),
        (
            FOREIGN,
            {APP: 8.0},
            Skipped(APP, "console keeps changing it back; healed again in 8 s", changes=CHANGES, drift=DRIFT[:1]),
        ),
        (NEW, {APP: 2.0}, Skipped(APP, "another manager keeps changing it back; healed again in 2 s")),
    ],
    ids=["recreated", "edit-never-waits", "healed", "fought-over", "stripped-later", "deleted-again-and-again"],
)
def test_withholding_of_drift_that_comes_back(step: Step, waits: dict[Key, float], expected: Step) -> None:
    assert withholding.calm((step,), MEMBERS, waits, heals=True) == (expected,)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (DRIFTED, Skipped(APP, withholding.REPORTED, changes=CHANGES, drift=DRIFT)),
        (NEW, Skipped(APP, withholding.REPORTED)),
        (EDITED, EDITED),
    ],
    ids=["changed", "deleted", "edit-is-no-drift"],
)
def test_withholding_of_drift_that_is_only_reported(step: Step, expected: Step) -> None:
    assert withholding.calm((step,), MEMBERS, {}, heals=False) == (expected,)


def test_withholding_leaves_an_object_that_was_never_applied() -> None:
    assert withholding.calm((NEW,), {}, {APP: 4.0}, heals=False) == (NEW,)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (EDITED, Skipped(APP, "why", changes=CHANGES)),
        (DRIFTED, Skipped(APP, "why", changes=CHANGES, drift=DRIFT)),
        (Prune(MEMBERS[APP], None), Skipped(APP, "why")),
        (VERIFIED, VERIFIED),
        (Unchanged(APP), Unchanged(APP)),
    ],
    ids=["edit", "drift", "prune", "nothing-to-write", "unchanged"],
)
def test_withholding_of_the_whole_plan(step: Step, expected: Step) -> None:
    assert withholding.withhold((step,), "why") == (expected,)
