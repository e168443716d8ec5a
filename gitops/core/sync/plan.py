"""The plan of a pass: what would be done to which object, as data. The plan that is shown is the plan that is executed.

It is made in two moves. `plan` compares hashes and fingerprints only, and so costs no request; what it cannot call
Unchanged becomes a `Create` or a `Configure` whose exact difference is then filled in from the live object and a
server-side dry run (`with_changes`). Nothing here knows a cluster.
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
from gitops.core.sync.status import Action, Drift, FieldChange


class Cause(StrEnum):
    """Why an object is looked at.

    MANIFEST: it is new or changed in git. DRIFT: our fields were taken over, or the object was made anew. GENERATION:
    the API server counted a spec change that nothing explains (a reordered list changes only that). VERIFIED: a dry
    run showed that nothing would change, so nothing is written. FOREIGN: others added fields that are to go. TOLERATED:
    a dry run showed that taking those out changes nothing.
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
    """The object is not there."""

    manifest: Manifest

    @property
    def key(self) -> Key:
        return self.manifest.key


@dataclass(frozen=True, slots=True)
class Configure:
    """The object is there and may differ. `changes` is exact once `examined`; without any it is as it should be."""

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
    """The object is as declared, and has more than that: `operations` take the fields out that others added."""

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
    """A member that git no longer wants. `observed` None = it seems to be gone already."""

    member: Member
    observed: Observed | None

    @property
    def key(self) -> Key:
        return self.member.key


@dataclass(frozen=True, slots=True)
class Unchanged:
    key: Key


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something should be done and is not, for a reason that people read.

    `blocks`: the overlay is not Synced because of it. `failed`: an error stood in the way, so it is tried again.
    """

    key: Key
    reason: str
    blocks: bool = True
    failed: bool = False
    changes: tuple[FieldChange, ...] = ()
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step. `member` is what the inventory holds from now on, None when the object left it."""

    key: Key
    action: Action
    message: str = ""
    member: Member | None = None
    observed: Observed | None = None
    changes: tuple[FieldChange, ...] = ()
    drift: tuple[Drift, ...] = ()


Step = Create | Configure | Strip | Prune | Unchanged | Skipped
Plan = tuple[Step, ...]

_KEPT = "what goes with this kind cannot be had again from git; delete it by hand"

KEPT_KINDS = frozenset({"Namespace", "PersistentVolume", "PersistentVolumeClaim", "CustomResourceDefinition"})
"""Never pruned: what they take with them cannot be had again from git."""

RETAINED = "kept until nothing that runs refers to it"

_GENERATED = re.compile(r".+-[2456789bcdfghkmt]{10}")
"""kustomize's hash suffix (api/hasher/hasher.go: hex with 0,1,3,a,e replaced)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a plan may do.

    `budget`: most objects that one pass may prune. `kept`: why nothing is pruned at all, empty = it is.
    `generated`: whether generated ConfigMaps and Secrets may go now; they wait until the overlay is Healthy on the new
    revision, so that a rollback in between still finds them. `namespaces`: where it may prune, empty = everywhere.
    `strip`: whether fields that others added are to go; `tolerated`: those whose removal would change nothing.
    """

    budget: int = 10
    kept: str = ""
    generated: bool = True
    namespaces: frozenset[str] = frozenset()
    strip: bool = False
    tolerated: Mapping[Key, frozenset[str]] = field(default_factory=dict)


def is_generated(key: Key) -> bool:
    """True for a ConfigMap or Secret whose name ends like one from a kustomize generator."""
    return key.kind in {"ConfigMap", "Secret"} and not key.group and _GENERATED.fullmatch(key.name) is not None


def plan(
    desired: Sequence[Manifest], members: Mapping[Key, Member], observed: Mapping[Key, Observed], policy: Policy
) -> Plan:
    """One step per desired object, in the given order, then one per member that is no longer desired."""
    wanted = {manifest.key for manifest in desired}
    applies = [_step(each, members.get(each.key), observed.get(each.key), policy) for each in desired]
    leavers = [member for key, member in sorted(members.items()) if key not in wanted]
    return (*applies, *_prunes(leavers, observed, policy))


def _step(manifest: Manifest, member: Member | None, seen: Observed | None, policy: Policy) -> Step:
    if seen is None:
        return Create(manifest)
    if seen.deleting:
        return Skipped(manifest.key, "is being deleted; it is created again as soon as it is gone")
    if member is None or member.manifest != manifest.hash:
        return Configure(manifest, seen, Cause.MANIFEST)
    if member.fingerprint != seen.fingerprint or member.uid != seen.uid:
        return Configure(manifest, seen, Cause.DRIFT)
    if policy.strip and {owner.field for owner in seen.foreign} - policy.tolerated.get(manifest.key, frozenset()):
        return Configure(manifest, seen, Cause.FOREIGN)
    return (
        Configure(manifest, seen, Cause.GENERATION) if member.generation != seen.generation else Unchanged(manifest.key)
    )


def _prunes(leavers: Sequence[Member], observed: Mapping[Key, Observed], policy: Policy) -> Iterable[Step]:
    steps = [_prune(member, observed.get(member.key), policy) for member in leavers]
    count = sum(isinstance(step, Prune) and step.observed is not None for step in steps)
    if count <= policy.budget:
        return steps
    refusal = (
        f"not pruned: {count} objects would go at once, the budget is {policy.budget}; if that is meant, raise "
        "sync.prune.budget of this environment in environments/pipeline.yaml"
    )
    return [Skipped(step.key, refusal) if isinstance(step, Prune) and step.observed else step for step in steps]


def _prune(member: Member, seen: Observed | None, policy: Policy) -> Step:
    if seen is None:
        return Prune(member, None)
    kept = _why_kept(member, seen, policy)
    return Skipped(member.key, kept, blocks=False) if kept else Prune(member, seen)


def _why_kept(member: Member, seen: Observed, policy: Policy) -> str:
    reasons = (
        (bool(policy.kept), f"no longer in git, but kept: {policy.kept}"),
        (member.key.kind in KEPT_KINDS, f"no longer in git, but kept: {_KEPT}"),
        (seen.deleting, "is being deleted"),
        (not _is_within(member.key, policy.namespaces), "kept: its namespace is no longer this overlay's"),
        (is_generated(member.key) and not policy.generated, RETAINED),
        (bool(member.uid) and member.uid != seen.uid, "kept: somebody made it anew after we applied it"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _is_within(key: Key, namespaces: frozenset[str]) -> bool:
    return not namespaces or not key.namespace or key.namespace in namespaces


def with_changes(step: Configure, changes: tuple[FieldChange, ...], drift: tuple[Drift, ...]) -> Configure:
    """The same step with its exact difference, after a dry run."""
    return replace(step, changes=changes, drift=drift, examined=True)


def is_write(step: Step) -> bool:
    """True when carrying the step out writes to the cluster."""
    return isinstance(step, Create | Strip | Prune) or (isinstance(step, Configure) and step.cause.writes)


def is_drift(step: Step, members: Mapping[Key, Member]) -> bool:
    """True when carrying the step out would undo what somebody did outside git: an edit, or a deletion."""
    if isinstance(step, Create):
        return bool(step.key in members and members[step.key].uid)
    return isinstance(step, Strip) or (isinstance(step, Configure) and step.cause in {Cause.DRIFT, Cause.GENERATION})


def withhold(step: Step, reason: str) -> Step:
    """The step as it would have been, not to be carried out for a reason that people read; a no-op stays what it is."""
    if not is_write(step):
        return step
    changes, drift = (step.changes, step.drift) if isinstance(step, Configure | Strip) else ((), ())
    return Skipped(step.key, reason, changes=changes, drift=drift)


def tolerated(steps: Plan) -> dict[Key, frozenset[str]]:
    """Fields of others whose removal a dry run showed to change nothing, by object."""
    return {
        step.key: frozenset(owner.field for owner in step.observed.foreign)
        for step in steps
        if isinstance(step, Configure) and step.cause is Cause.TOLERATED
    }


def mark_healed(drift: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """The same drift after it was undone."""
    return tuple(replace(each, kind="healed") for each in drift)


def members_after(members: Mapping[Key, Member], outcomes: Mapping[Key, Outcome]) -> dict[Key, Member]:
    """The inventory after a pass: pruned members leave, the others carry what was applied."""
    after = dict(members)
    for key, outcome in outcomes.items():
        if outcome.action is Action.PRUNED:
            after.pop(key, None)
        elif outcome.member is not None:
            after[key] = outcome.member
    return after


def is_whole(steps: Plan, outcomes: Mapping[Key, Outcome]) -> bool:
    """True when everything that was wanted is there: nothing failed and nothing was withheld."""
    failed = any(outcome.action is Action.FAILED for outcome in outcomes.values())
    return not failed and not any(isinstance(step, Skipped) and step.blocks for step in steps)


def is_empty(steps: Plan) -> bool:
    """True when there is nothing to look at and nothing to do."""
    return all(isinstance(step, Unchanged | Skipped) for step in steps)


def members_before(members: Mapping[Key, Member], steps: Plan) -> dict[Key, Member]:
    """The members to store before the first write: the old ones and everything that is about to be created, so that
    whatever happens next, no object of ours is unknown.

    What is about to be written has no manifest hash until the write is known to have succeeded: if its answer is lost,
    nobody may take the old content for what is live. A member that vanished is to be created anew: its uid is void.
    """
    ahead = dict(members)
    for step in steps:
        if isinstance(step, Create):
            ahead[step.key] = Member(step.key, step.manifest.version)
        elif isinstance(step, Configure | Strip) and is_write(step):
            ahead[step.key] = Member(step.key, step.manifest.version, step.observed.uid)
    return ahead
