"""Plans as tables: what is wanted, what is remembered, what is there -> what would be done."""

from dataclasses import replace

import pytest

from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Member
from gitops.core.ownership.live_object import Observed
from gitops.core.sync import plan
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.plan import Cause, Configure, Create, Outcome, Policy, Prune, Skipped, Unchanged
from gitops.core.sync.status import Action, Drift

APP = Key("apps", "Deployment", "tuling-dev", "order")
OLD = Key("", "ConfigMap", "tuling-dev", "order-config-2t9b5g7h4k")
CLAIM = Key("", "PersistentVolumeClaim", "tuling-dev", "files")

MANIFEST = Manifest(APP, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "order"}}, "hash-1")
MEMBER = Member(APP, "v1", "uid-1", "hash-1", "print-1", 3)
SEEN = Observed(APP, "uid-1", "100", generation=3, part_of="x", fingerprint="print-1")


def only(steps: plan.Plan) -> plan.Step:
    (step,) = steps
    return step


@pytest.mark.parametrize(
    ("member", "seen", "expected"),
    [
        (None, None, Create(MANIFEST)),
        (MEMBER, None, Create(MANIFEST)),
        (MEMBER, SEEN, Unchanged(APP)),
        (None, SEEN, Configure(MANIFEST, SEEN, Cause.MANIFEST)),
        (replace(MEMBER, manifest=""), SEEN, Configure(MANIFEST, SEEN, Cause.MANIFEST)),
        (replace(MEMBER, manifest="hash-0"), SEEN, Configure(MANIFEST, SEEN, Cause.MANIFEST)),
        (replace(MEMBER, fingerprint="print-0"), SEEN, Configure(MANIFEST, SEEN, Cause.DRIFT)),
        (replace(MEMBER, uid="uid-0"), SEEN, Configure(MANIFEST, SEEN, Cause.DRIFT)),
        (replace(MEMBER, generation=2), SEEN, Configure(MANIFEST, SEEN, Cause.GENERATION)),
    ],
    ids=["new", "vanished", "same", "unknown", "written-ahead", "edited", "taken-over", "made-anew", "reordered"],
)
def test_plan_of_a_desired_object(member: Member | None, seen: Observed | None, expected: plan.Step) -> None:
    members = {APP: member} if member else {}
    observed = {APP: seen} if seen else {}
    assert only(plan.plan([MANIFEST], members, observed, Policy())) == expected


def test_plan_skips_an_object_that_is_being_deleted_and_blocks() -> None:
    step = only(plan.plan([MANIFEST], {APP: MEMBER}, {APP: replace(SEEN, deleting=True)}, Policy()))
    assert isinstance(step, Skipped)
    assert step.blocks


def leaver(key: Key, policy: Policy, **seen: object) -> plan.Step:
    member = Member(key, "v1", "uid-1", "h", "f", 0)
    observed = replace(Observed(key, "uid-1", "7"), **seen)  # type: ignore[arg-type]
    return only(plan.plan([], {key: member}, {key: observed}, policy))


def test_plan_prunes_a_member_that_left_git() -> None:
    assert isinstance(leaver(APP, Policy()), Prune)


@pytest.mark.parametrize(
    ("key", "policy", "seen"),
    [
        (APP, Policy(kept="the platform is never pruned"), {}),
        (CLAIM, Policy(), {}),
        (OLD, Policy(generated=False), {}),
        (APP, Policy(), {"uid": "uid-of-somebody-else"}),
        (APP, Policy(), {"deleting": True}),
    ],
    ids=["platform", "claim", "generated-before-healthy", "made-anew", "deleting"],
)
def test_plan_of_a_member_that_is_kept_does_not_block(key: Key, policy: Policy, seen: dict[str, object]) -> None:
    step = leaver(key, policy, **seen)
    assert isinstance(step, Skipped)
    assert not step.blocks


def many(count: int) -> tuple[dict[Key, Member], dict[Key, Observed]]:
    keys = [Key("", "Service", "tuling-dev", f"s{number}") for number in range(count)]
    return {key: Member(key, "v1", "u") for key in keys}, {key: Observed(key, "u", "1") for key in keys}


def test_plan_a36_refuses_more_prunes_than_the_budget_with_the_numbers() -> None:
    members, observed = many(11)
    steps = plan.plan([MANIFEST], members, observed, Policy(budget=10))
    refused = [step for step in steps if isinstance(step, Skipped)]
    assert len(refused) == 11
    assert "11 objects" in refused[0].reason
    assert "10" in refused[0].reason
    assert steps[0] == Create(MANIFEST)


def test_plan_may_prune_as_many_as_the_budget() -> None:
    members, observed = many(10)
    assert all(isinstance(step, Prune) for step in plan.plan([], members, observed, Policy(budget=10)))


def test_plan_budget_does_not_count_members_that_are_gone() -> None:
    members, _ = many(50)
    assert all(isinstance(step, Prune) for step in plan.plan([], members, {}, Policy(budget=1)))


def test_plan_write_ahead_has_every_object_before_it_is_written() -> None:
    other = Key("", "Service", "tuling-dev", "order")
    ahead = plan.members_before({OLD: Member(OLD, "v1", "u")}, (Create(MANIFEST), Unchanged(other)))
    assert ahead == {OLD: Member(OLD, "v1", "u"), APP: Member(APP, "v1")}


def test_plan_write_ahead_drops_the_uid_of_a_vanished_member() -> None:
    assert plan.members_before({APP: MEMBER}, (Create(MANIFEST),))[APP].uid == ""


def test_plan_write_ahead_drops_the_hash_of_content_that_is_about_to_change() -> None:
    ahead = plan.members_before({APP: MEMBER}, (Configure(MANIFEST, SEEN, Cause.DRIFT),))
    assert ahead == {APP: Member(APP, "v1", "uid-1")}


def test_plan_write_ahead_keeps_a_member_that_needs_no_write() -> None:
    assert plan.members_before({APP: MEMBER}, (Configure(MANIFEST, SEEN, Cause.VERIFIED),)) == {APP: MEMBER}


def test_plan_members_after_a_failed_write_have_unknown_content() -> None:
    failed = Outcome(APP, Action.FAILED, "answer lost", Member(APP, "v1", "uid-1"))
    assert plan.members_after({APP: MEMBER}, {APP: failed}) == {APP: Member(APP, "v1", "uid-1")}


def test_plan_withheld_step_keeps_its_difference() -> None:
    changes = (FieldChange("/spec/replicas", "1", "2"),)
    drift = (Drift("/spec/replicas", "console", "changed"),)
    step = plan.with_changes(Configure(MANIFEST, SEEN, Cause.DRIFT), changes, drift)
    assert plan.withhold(step, "why") == Skipped(APP, "why", changes=changes, drift=drift)


def test_plan_verified_step_is_no_write_and_is_never_withheld() -> None:
    step = Configure(MANIFEST, SEEN, Cause.VERIFIED)
    assert not plan.is_write(step)
    assert plan.withhold(step, "why") == step


@pytest.mark.parametrize(
    ("name", "expected"),
    [("app-2t9b5g7h4k", True), ("app-settings", False), ("app-0123456789", False), ("2t9b5g7h4k", False)],
)
def test_plan_generated_names_end_in_kustomizes_alphabet(name: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert plan.is_generated(Key("", "ConfigMap", "n", name)) is expected


def test_plan_is_whole_if_nothing_failed_and_nothing_blocks() -> None:
    good = {APP: Outcome(APP, Action.CREATED)}
    assert plan.is_whole((Create(MANIFEST),), good)
    assert plan.is_whole((Skipped(OLD, "kept", blocks=False),), good)
    assert not plan.is_whole((Create(MANIFEST),), {APP: Outcome(APP, Action.FAILED)})
    assert not plan.is_whole((Skipped(OLD, "held"),), good)
