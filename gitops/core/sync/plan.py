"""The plan of a pass: one step for each object, as data. The plan that is shown is the plan that is executed.

`plan` compares only hashes and fingerprints, so it needs no request. An object that may differ becomes a `Create` or a
`Configure`. The executor then reads the live object, does a server-side dry run, and adds the exact difference to the
step (`with_changes`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Member
from gitops.core.ownership.field_removal import Operation
from gitops.core.ownership.live_object import Observed
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.status import Action, Drift


class Cause(StrEnum):
    """The reason why an object may differ from its manifest.

    MANIFEST: the manifest is new or changed in git. DRIFT: another manager changed our fields, or the object was
    created again. GENERATION: metadata.generation changed and managedFields did not (for example a reordered list).
    VERIFIED: a dry run showed no change, so nothing is written. FOREIGN: the object has foreign fields to remove.
    TOLERATED: a dry run showed that removing them changes nothing.
    """

    MANIFEST = "manifest"
    DRIFT = "drift"
    GENERATION = "generation"
    VERIFIED = "verified"
    FOREIGN = "foreign"
    TOLERATED = "tolerated"

    @property
    def writes(self) -> bool:
        return self not in {Cause.VERIFIED, Cause.TOLERATED}


@dataclass(frozen=True, slots=True)
class Create:
    """The object does not exist."""

    manifest: Manifest

    @property
    def key(self) -> Key:
        return self.manifest.key


@dataclass(frozen=True, slots=True)
class Configure:
    """The object exists and may differ. `examined`: `changes` is exact; without changes the object is as declared."""

    manifest: Manifest
    observed: Observed
    cause: Cause
    changes: tuple[FieldChange, ...] = ()
    drift: tuple[Drift, ...] = ()
    examined: bool = False

    @property
    def key(self) -> Key:
        return self.manifest.key


@dataclass(frozen=True, slots=True)
class Strip:
    """The object is as declared, and has foreign fields. `operations`: the JSON patch that removes them."""

    manifest: Manifest
    observed: Observed
    operations: tuple[Operation, ...]
    changes: tuple[FieldChange, ...]
    drift: tuple[Drift, ...]

    @property
    def key(self) -> Key:
        return self.manifest.key


@dataclass(frozen=True, slots=True)
class Prune:
    """A member that git no longer wants. `observed`: None = the live object was not found."""

    member: Member
    observed: Observed | None

    @property
    def key(self) -> Key:
        return self.member.key


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The object is as declared."""

    key: Key


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step that is not done. `reason`: a sentence for people.

    `blocks`: the overlay is OutOfSync because of it. `failed`: an error prevented the step, so the pass is repeated.
    """

    key: Key
    reason: str
    blocks: bool = True
    failed: bool = False
    changes: tuple[FieldChange, ...] = ()
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one step. `member`: the new entry of the inventory; None if the object left the inventory."""

    key: Key
    action: Action
    message: str = ""
    member: Member | None = None
    observed: Observed | None = None
    changes: tuple[FieldChange, ...] = ()
    drift: tuple[Drift, ...] = ()


Step = Create | Configure | Strip | Prune | Unchanged | Skipped
Plan = tuple[Step, ...]

_KEPT = "deleting this kind loses data that git does not have; delete it by hand"

KEPT_KINDS = frozenset({"Namespace", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition"})
"""Kinds that are never pruned: their deletion loses data that git does not have."""

RETAINED = "kept until no running pod refers to it"

_GENERATED = re.compile(r".+-[2456789bcdfghkmt]{10}")
"""kustomize's hash suffix (api/hasher/hasher.go: hex with 0,1,3,a,e replaced)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of a plan.

    `budget`: most objects that one pass may prune. `kept`: why nothing is pruned; empty = pruning is on. `generated`:
    True if generated ConfigMaps and Secrets may be pruned now. They stay until the overlay is Healthy on the new
    revision, so that a rollback before that still finds them. `namespaces`: where it may prune; empty = everywhere.
    `strip`: True if foreign fields are removed. `tolerated`: foreign fields whose removal would change nothing.
    """

    budget: int = 10
    kept: str = ""
    generated: bool = True
    namespaces: frozenset[str] = frozenset()
    strip: bool = False
    tolerated: Mapping[Key, frozenset[str]] = field(default_factory=dict)


def is_generated(key: Key) -> bool:
    """True for a ConfigMap or Secret whose name ends with the hash of a kustomize generator."""
    return key.kind in {"ConfigMap", "Secret"} and not key.group and _GENERATED.fullmatch(key.name) is not None


def plan(
    desired: Sequence[Manifest], members: Mapping[Key, Member], observed: Mapping[Key, Observed], policy: Policy
) -> Plan:
    """One step for each desired object, in the given order, then one for each member that git no longer has."""
    wanted = {manifest.key for manifest in desired}
    applies = [_plan_step(each, members.get(each.key), observed.get(each.key), policy) for each in desired]
    leavers = [member for key, member in sorted(members.items()) if key not in wanted]
    return (*applies, *_plan_prunes(leavers, observed, policy))


def _plan_step(manifest: Manifest, member: Member | None, seen: Observed | None, policy: Policy) -> Step:
    if seen is None:
        return Create(manifest)
    if seen.deleting:
        return Skipped(manifest.key, "is being deleted; it is created again after that")
    if member is None or member.manifest != manifest.hash:
        return Configure(manifest, seen, Cause.MANIFEST)
    if member.fingerprint != seen.fingerprint or member.uid != seen.uid:
        return Configure(manifest, seen, Cause.DRIFT)
    if policy.strip and {owner.field for owner in seen.foreign} - policy.tolerated.get(manifest.key, frozenset()):
        return Configure(manifest, seen, Cause.FOREIGN)
    return (
        Configure(manifest, seen, Cause.GENERATION) if member.generation != seen.generation else Unchanged(manifest.key)
    )


def _plan_prunes(leavers: Sequence[Member], observed: Mapping[Key, Observed], policy: Policy) -> Iterable[Step]:
    steps = [_plan_prune(member, observed.get(member.key), policy) for member in leavers]
    count = sum(isinstance(step, Prune) and step.observed is not None for step in steps)
    if count <= policy.budget:
        return steps
    refusal = (
        f"not pruned: {count} objects would be pruned at once, the budget is {policy.budget}; if you want that, raise "
        "sync.prune.budget of this environment in environments/pipeline.yaml"
    )
    return [Skipped(step.key, refusal) if isinstance(step, Prune) and step.observed else step for step in steps]


def _plan_prune(member: Member, seen: Observed | None, policy: Policy) -> Step:
    if seen is None:
        return Prune(member, None)
    kept = _why_kept(member, seen, policy)
    return Skipped(member.key, kept, blocks=False) if kept else Prune(member, seen)


def _why_kept(member: Member, seen: Observed, policy: Policy) -> str:
    reasons = (
        (bool(policy.kept), f"no longer in git, but kept: {policy.kept}"),
        (member.key.kind in KEPT_KINDS, f"no longer in git, but kept: {_KEPT}"),
        (seen.deleting, "is being deleted"),
        (not _is_within(member.key, policy.namespaces), "kept: its namespace does not belong to this overlay any more"),
        (is_generated(member.key) and not policy.generated, RETAINED),
        (bool(member.uid) and member.uid != seen.uid, "kept: it was deleted and created again (another uid)"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _is_within(key: Key, namespaces: frozenset[str]) -> bool:
    return not namespaces or not key.namespace or key.namespace in namespaces


def with_changes(step: Configure, changes: tuple[FieldChange, ...], drift: tuple[Drift, ...]) -> Configure:
    """The step with its exact difference, after a dry run."""
    return replace(step, changes=changes, drift=drift, examined=True)


def is_write(step: Step) -> bool:
    """True if executing the step writes to the cluster."""
    return isinstance(step, Create | Strip | Prune) or (isinstance(step, Configure) and step.cause.writes)


def is_drift(step: Step, members: Mapping[Key, Member]) -> bool:
    """True if executing the step undoes an edit or a deletion that was not made in git."""
    if isinstance(step, Create):
        return bool(step.key in members and members[step.key].uid)
    return isinstance(step, Strip) or (isinstance(step, Configure) and step.cause in {Cause.DRIFT, Cause.GENERATION})


def withhold(step: Step, reason: str) -> Step:
    """Replaces a step that writes by a Skipped one with the same difference. Other steps stay as they are."""
    if not is_write(step):
        return step
    changes, drift = (step.changes, step.drift) if isinstance(step, Configure | Strip) else ((), ())
    return Skipped(step.key, reason, changes=changes, drift=drift)


def find_tolerated(steps: Plan) -> dict[Key, frozenset[str]]:
    """Fields of others whose removal a dry run showed to change nothing, by object."""
    return {
        step.key: frozenset(owner.field for owner in step.observed.foreign)
        for step in steps
        if isinstance(step, Configure) and step.cause is Cause.TOLERATED
    }


def mark_healed(drift: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """The drift after it was healed."""
    return tuple(replace(each, kind="healed") for each in drift)


def members_after(members: Mapping[Key, Member], outcomes: Mapping[Key, Outcome]) -> dict[Key, Member]:
    """The inventory after a pass: without pruned members, the others as they were applied."""
    after = dict(members)
    for key, outcome in outcomes.items():
        if outcome.action is Action.PRUNED:
            after.pop(key, None)
        elif outcome.member is not None:
            after[key] = outcome.member
    return after


def is_whole(steps: Plan, outcomes: Mapping[Key, Outcome]) -> bool:
    """True if the plan was executed completely: no step failed, and no skipped step blocks."""
    failed = any(outcome.action is Action.FAILED for outcome in outcomes.values())
    return not failed and not any(isinstance(step, Skipped) and step.blocks for step in steps)


def is_empty(steps: Plan) -> bool:
    """True if no step needs the cluster."""
    return all(isinstance(step, Unchanged | Skipped) for step in steps)


def members_before(members: Mapping[Key, Member], steps: Plan) -> dict[Key, Member]:
    """The inventory to store before the first write (write-ahead): the old members and every object that the plan
    creates. So the inventory knows every object of ours, also after a crash.

    A member that the plan writes has no manifest hash until the write has succeeded: if the answer is lost, the live
    content is unknown. A member that is created again has no uid.
    """
    ahead = dict(members)
    for step in steps:
        if isinstance(step, Create):
            ahead[step.key] = Member(step.key, step.manifest.version)
        elif isinstance(step, Configure | Strip) and is_write(step):
            ahead[step.key] = Member(step.key, step.manifest.version, step.observed.uid)
    return ahead
