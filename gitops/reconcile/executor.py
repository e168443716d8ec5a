"""Executes a plan: first the exact differences by dry run, then the writes in order. Decides nothing but the order.

Objects of one stage are written in parallel. A failure is kept per object and stops only what depends on it. Pruning
comes last, and only if everything was applied. Every write is idempotent: a pass that was killed is run again.
"""

from collections.abc import Mapping
from concurrent.futures import Executor as Pool
from dataclasses import dataclass, replace

import structlog

from gitops.core.errors import Conflict, GitopsError, Rejected
from gitops.core.health import Health
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests.manifest import Manifest
from gitops.core.manifests.pod_references import references
from gitops.core.objects import Body, Key
from gitops.core.ownership import field_ownership, field_removal, live_object, other_tools
from gitops.core.ownership.applyset import Member
from gitops.core.ownership.live_object import Observed
from gitops.core.sync import apply_order, diff
from gitops.core.sync.plan import (
    RETAINED,
    Cause,
    Configure,
    Create,
    Outcome,
    Plan,
    Prune,
    Skipped,
    Step,
    Strip,
    is_generated,
    is_whole,
    mark_healed,
    with_changes,
)
from gitops.core.sync.status import Action, Drift
from gitops.ports import NOWHERE, Cluster, Leadership, LiveState, ObjectClaims

_log = structlog.get_logger(__name__)

_TRIES = 8
"""Tries of one step in one pass: during a rollout, a controller writes the object's status every few milliseconds."""
_RESTLESS = "Conflict: it changes faster than it can be applied"


@dataclass(frozen=True, slots=True)
class ApplyScope:
    """The reach of one pass: its own ApplySet id, the desired objects, and those whose replicas an autoscaler sets.
    `claims` tells which other overlay wants an object. Objects of the tools in `adopt` are taken over.
    """

    applyset: str
    desired: Mapping[Key, Manifest]
    scaled: frozenset[Key]
    claims: ObjectClaims
    adopt: frozenset[str] = frozenset()


class Executor:
    """Thread-safe. `manager` is our field manager; `leadership` is asked before every stage."""

    def __init__(self, cluster: Cluster, live: LiveState, pool: Pool, *, manager: str, leadership: Leadership) -> None:
        self._cluster = cluster
        self._live = live
        self._pool = pool
        self._manager = manager
        self._leadership = leadership

    def examine(self, steps: Plan, scope: ApplyScope, *, absent_too: bool = True) -> Plan:
        """The plan with its exact differences: reads objects that are not known and dry-runs those that may differ.
        Without `absent_too` a Create is not read: creating the object fails if it exists.
        """
        generated = {step.key.namespace for step in steps if isinstance(step, Prune) and is_generated(step.key)}
        in_use = frozenset(key for namespace in generated for key in self._cluster.references(namespace))
        kept = [Skipped(step.key, RETAINED, blocks=False) if step.key in in_use else step for step in steps]
        if not absent_too and all(isinstance(step, Create) for step in kept):
            return tuple(kept)
        return tuple(self._pool.map(lambda step: self._examine(step, scope), kept))

    def execute(self, steps: Plan, scope: ApplyScope, observed: Mapping[Key, Observed]) -> dict[Key, Outcome]:
        """Executes every step, stage by stage. A failure of one object is in its outcome, not raised."""
        outcomes: dict[Key, Outcome] = {}
        for wave, _, group in apply_order.groups(
            [step for step in steps if isinstance(step, Create | Configure | Strip)]
        ):
            blocked = _why_blocked(wave, outcomes, scope, observed) or self._why_not_leading()
            done = self._pool.map(lambda step, why=blocked: self._apply(step, scope, why, outcomes), group)
            outcomes.update({outcome.key: outcome for outcome in list(done)})
            if any(step.key.kind == "CustomResourceDefinition" for step in group):
                self._cluster.refresh_kinds()
        prunes = [step for step in steps if isinstance(step, Prune)]
        whole = is_whole(steps, outcomes) and not self._why_not_leading()
        done = self._pool.map(lambda step: self._prune(step, scope, whole=whole), prunes)
        outcomes.update({outcome.key: outcome for outcome in done})
        return outcomes

    def _why_not_leading(self) -> str:
        return "" if self._leadership.is_leader() else "this replica no longer leads"

    def _examine(self, step: Step, scope: ApplyScope) -> Step:
        if not isinstance(step, Create | Configure):
            return step
        for _ in range(_TRIES):
            try:
                return self._compare_live(step, scope)
            except Conflict:  # its controller wrote a status between the read and the dry run
                continue
            except GitopsError as error:
                return Skipped(step.key, f"{error.reason}: {error.message}", failed=True)
        return Skipped(step.key, _RESTLESS, failed=True)

    def _compare_live(self, step: Create | Configure, scope: ApplyScope) -> Step:
        body = self._cluster.read(step.key, step.manifest.version)
        if body is None:
            return Create(step.manifest)
        seen = self._live.note(body)
        refusal = _why_refused(seen, scope)
        if refusal:
            return Skipped(step.key, refusal, failed=seen.part_of not in {"", scope.applyset})
        cause = step.cause if isinstance(step, Configure) else Cause.MANIFEST
        if cause is Cause.FOREIGN:
            return self._strip(Configure(step.manifest, seen, cause), body)
        return self._compare(Configure(step.manifest, seen, cause), body, scope)

    def _compare(self, step: Configure, body: Body, scope: ApplyScope) -> Configure:
        preview = self._cluster.preview(_to_send(step, scope), step.observed.resource_version)
        changes = diff.changes(body, preview)
        drift: tuple[Drift, ...] = ()
        if step.cause is not Cause.MANIFEST:
            writers = field_ownership.writers(body, [change.field for change in changes])
            drift = tuple(Drift(writer.field, writer.manager, "changed", writer.at) for writer in writers)
        owned = live_object.observe(preview, self._manager).fingerprint == step.observed.fingerprint
        examined = with_changes(step, changes, drift)
        return examined if changes or not owned else replace(examined, cause=Cause.VERIFIED)

    def _strip(self, step: Configure, body: Body) -> Step:
        """The step that takes the fields of others out, with its changes. Some fields, such as defaults of the API,
        come back at once: taking these out changes nothing.
        """
        operations = field_removal.removal_patch(body, [owner.field for owner in step.observed.foreign])
        preview = self._cluster.preview_edit(step.key, step.manifest.version, operations) if operations else body
        changes = diff.changes(body, preview)
        if not changes:
            return replace(step, cause=Cause.TOLERATED)
        drift = tuple(Drift(owner.field, owner.manager, "foreign", owner.at) for owner in step.observed.foreign)
        return Strip(step.manifest, step.observed, operations, changes, drift)

    def _apply(
        self, step: Create | Configure | Strip, scope: ApplyScope, blocked: str, done: Mapping[Key, Outcome]
    ) -> Outcome:
        waits = blocked or _why_waiting(step.manifest, done)
        if waits:
            return Outcome(step.key, Action.FAILED, f"waits: {waits}", member=_member_ahead(step))
        for _ in range(_TRIES):
            try:
                return self._carry_out(step, scope)
            except Conflict:  # another writer was faster: plan again from the live object
                again = self._examine(_to_examine(step), scope)
                if not isinstance(again, Create | Configure | Strip):
                    reason = again.reason if isinstance(again, Skipped) else _RESTLESS
                    return Outcome(step.key, Action.FAILED, reason, _member_ahead(step))
                step = again
            except GitopsError as error:
                _log.warning("apply failed", object=str(step.key), reason=error.reason, message=error.message)
                return Outcome(step.key, Action.FAILED, f"{error.reason}: {error.message}", _member_ahead(step))
        return Outcome(step.key, Action.FAILED, _RESTLESS, _member_ahead(step))

    def _carry_out(self, step: Create | Configure | Strip, scope: ApplyScope) -> Outcome:
        if isinstance(step, Configure) and not step.cause.writes:
            return Outcome(step.key, Action.UNCHANGED, "", _member(step.manifest, step.observed), step.observed)
        return self._outcome(step, self._write(step, scope))

    def _write(self, step: Create | Configure | Strip, scope: ApplyScope) -> Body:
        if isinstance(step, Strip):
            return self._cluster.edit(step.key, step.manifest.version, step.operations)
        seen_at = step.observed.resource_version if isinstance(step, Configure) else NOWHERE
        return self._cluster.apply(_to_send(step, scope), seen_at)

    def _outcome(self, step: Create | Configure | Strip, body: Body) -> Outcome:
        seen = self._live.note(body)
        action = Action.CREATED if isinstance(step, Create) else Action.CONFIGURED
        _log.info("applied", object=str(step.key), action=str(action))
        changes, drift = (step.changes, mark_healed(step.drift)) if isinstance(step, Configure | Strip) else ((), ())
        mutated = _mutation(step.manifest, body)
        return Outcome(step.key, action, mutated, _member(step.manifest, seen), seen, changes, drift)

    def _prune(self, step: Prune, scope: ApplyScope, *, whole: bool) -> Outcome:
        if not whole:
            return Outcome(step.key, Action.SKIPPED, "pruned once all is applied", step.member, step.observed)
        try:
            return self._delete(step, scope)
        except GitopsError as error:
            message = f"{error.reason}: {error.message}"
            return Outcome(step.key, Action.FAILED, message, step.member, step.observed)

    def _delete(self, step: Prune, scope: ApplyScope) -> Outcome:
        """Reads the object before it deletes it: another overlay, or a person, may have taken it over since."""
        try:
            body = self._cluster.read(step.key, step.member.version)
        except Rejected as error:
            if error.reason != "NoMatches":
                raise
            body = None  # the server does not serve its kind any more
        if body is None:
            return Outcome(step.key, Action.PRUNED)
        seen = self._live.note(body)
        kept = _why_kept(step, seen, body, scope)
        if kept:
            return Outcome(step.key, Action.PRUNED, f"not deleted, and removed from the inventory: {kept}")
        self._cluster.delete(step.key, step.member.version, uid=seen.uid)
        _log.info("pruned", object=str(step.key))
        return Outcome(step.key, Action.PRUNED)


def _to_send(step: Create | Configure, scope: ApplyScope) -> Manifest:
    """The manifest for the API server, with the live replicas as long as Lockstep owns that field of a workload that an
    autoscaler scales. Leaving it out would set it to 1; the autoscaler's first write takes the field over.
    """
    if isinstance(step, Configure) and step.key in scope.scaled and step.observed.replicas is not None:
        return manifests.with_replicas(step.manifest, step.observed.replicas)
    return step.manifest


def _why_kept(step: Prune, seen: Observed, body: Body, scope: ApplyScope) -> str:
    if manifests.is_prune_disabled(body):
        return "an annotation disables pruning"
    if seen.part_of != scope.applyset:
        return "it no longer carries the label of this overlay"
    known = {uid for uid in (step.member.uid, step.observed.uid if step.observed else "") if uid}
    return "it was deleted and created again (another uid)" if known and seen.uid not in known else ""


def _to_examine(step: Create | Configure | Strip) -> Create | Configure:
    return Configure(step.manifest, step.observed, Cause.FOREIGN) if isinstance(step, Strip) else step


def _member(manifest: Manifest, seen: Observed) -> Member:
    return Member(manifest.key, manifest.version, seen.uid, manifest.hash, seen.fingerprint, seen.generation)


def _member_ahead(step: Create | Configure | Strip) -> Member:
    uid = "" if isinstance(step, Create) else step.observed.uid
    return Member(step.key, step.manifest.version, uid)


def _why_refused(seen: Observed, scope: ApplyScope) -> str:
    if seen.owner and not other_tools.is_among(seen.owner, scope.adopt):
        return f"belongs to {seen.owner}; remove it there first, or name that tool in sync.adopt of the environment"
    if seen.part_of and seen.part_of != scope.applyset:
        return scope.claims.claim(seen.key, seen.part_of)
    return ""


def _why_waiting(manifest: Manifest, done: Mapping[Key, Outcome]) -> str:
    """The first failed object that this one refers to, in words; empty = none."""
    for key in sorted(references(manifest.body)):
        if key in done and done[key].action is Action.FAILED:
            return f"{key} could not be applied"
    return ""


def _why_blocked(
    wave: int, outcomes: Mapping[Key, Outcome], scope: ApplyScope, observed: Mapping[Key, Observed]
) -> str:
    """The reason why a stage may not start yet: a namespace or CRD is missing, or an earlier wave is not Healthy."""
    for outcome in outcomes.values():
        if apply_order.stage(outcome.key) == 0 and outcome.action is Action.FAILED:
            return f"{outcome.key} could not be applied"
    for key, manifest in scope.desired.items():
        if apply_order.wave(manifest.body) < wave:
            done = outcomes.get(key)
            seen = done.observed if done and done.observed else observed.get(key)
            if seen is None or seen.health > Health.SUSPENDED:
                return f"{key} of an earlier wave is not Healthy yet"
    return ""


def _mutation(manifest: Manifest, body: Body) -> str:
    """The fields that an admission policy changed, in words. It owns no field, so only the server's answer shows it."""
    fields = [change.field for change in diff.declared_changes(manifest.body, body)]
    return f"MutatedByAdmission: {', '.join(fields[:5])}" if fields else ""
