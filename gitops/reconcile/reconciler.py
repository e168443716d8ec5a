"""One pass over one overlay: what git wants, what the cluster has, the difference, its execution, the status.

Level-triggered: a pass is told a name and reads everything else. It never waits: "Progressing" means that the watch, or
the delay it returns, brings it back. Its caller, the workqueue, turns a GitopsError into a retry.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Conflict, Rejected, Unavailable
from gitops.core.health import Health
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Parent, applyset_of
from gitops.core.ownership.live_object import Observed
from gitops.core.revision import Revision
from gitops.core.sync import heal_backoff, plan, summary
from gitops.core.sync.desired import Desired
from gitops.core.sync.plan import Configure, Outcome, Plan
from gitops.core.sync.status import Action, PendingNote, Sync, SyncStatus
from gitops.core.sync.summary import PassResults, Stall
from gitops.desired.desired_state import DesiredState
from gitops.ports import ApplySets, ImageAvailability, LiveState, PassObserver, PendingPromotions, SyncObserver
from gitops.reconcile.executor import ApplyScope, Executor
from gitops.reconcile.status_writer import WRITE_EVERY, StatusWriter
from gitops.reconcile.sync_target import SUSPENDED, AdmissionJudge, SyncTarget, SyncTargets

_log = structlog.get_logger(__name__)

_RECHECK_RETAINED = 600.0
_MOST_SENTENCES = 50
_NO_NEWS = frozenset({"Incomplete", "NotLeading"})
"""Reasons that a pass ends with after its status was reported, or by which nothing changed."""
_REPORTED = "drift; this environment only reports it (drift: report)"


@dataclass(frozen=True, slots=True)
class ReconcilerParties:
    """The parties of a pass; `judge` knows the contract. `now` is wall-clock UTC for people, `clock` monotonic seconds
    for intervals; `may_write` tells whether this replica leads. `observers` learn the result of each pass, `counter`
    what it wrote. Without `pending` and `images` the status says nothing of promotions and of missing images.
    """

    desired: DesiredState
    judge: AdmissionJudge
    live: LiveState
    parents: ApplySets
    reporter: StatusWriter
    executor: Executor
    now: Callable[[], datetime]
    clock: Callable[[], float]
    may_write: Callable[[], bool]
    repo_name: str
    observers: Sequence[PassObserver] = ()
    counter: SyncObserver | None = None
    pending: PendingPromotions | None = None
    images: ImageAvailability | None = None


@dataclass(slots=True)
class _PassState:
    """What is remembered between passes to save requests; all of it can be read again. When it is `whole`, an overlay
    that has no parent here has none at all, unless it is among the `unsure`; a write that finds one is a Conflict.
    `healthy`: the content key at which an overlay was last Synced and Healthy.
    """

    parents: dict[str, Parent] = field(default_factory=dict)
    whole: bool = False
    unsure: set[str] = field(default_factory=set)
    heals: dict[tuple[str, Key], list[float]] = field(default_factory=dict)
    retained_at: dict[str, float] = field(default_factory=dict)
    healthy: dict[str, str] = field(default_factory=dict)
    tolerated: dict[Key, frozenset[str]] = field(default_factory=dict)


class Reconciler:
    """Thread-safe for different overlays; the workqueue never runs two passes of one overlay at once."""

    def __init__(self, world: ReconcilerParties) -> None:
        self._world = world
        self._memory = _PassState()
        self._targets = SyncTargets(world.desired, world.judge, self._applied, world.now)
        self._lock = threading.Lock()

    def recall(self) -> None:
        """Reads all parents and statuses at once: called when this replica starts to lead."""
        memory = _PassState(parents=dict(self._world.parents.read_all()), whole=True)
        self._world.reporter.recall()
        with self._lock:
            self._memory = memory

    def forget(self) -> None:
        """Called when this replica stops to lead: what others write from now on is not seen."""
        with self._lock:
            self._memory = _PassState()

    @property
    def has_recalled(self) -> bool:
        return self._memory.whole

    def known(self) -> frozenset[str]:
        """Every overlay that git has now or that was applied before."""
        with self._lock:
            return frozenset({*self._world.desired.overlays(), *self._memory.parents})

    def breached(self) -> frozenset[str]:
        """Overlays in which the last pass found a violation: a change of another one may have mended it."""
        return self._targets.breached & self._world.desired.overlays().keys()

    def overlay_of(self, applyset: str) -> str | None:
        """The overlay whose objects carry this part-of label."""
        return next((name for name in self.known() if applyset_of(name) == applyset), None)

    def reconcile(self, name: str) -> float | None:
        """One pass; returns after how many seconds it wants to run again, None = when something changes.

        Raises: Unavailable, Conflict when it is to be run again with backoff.
        """
        with structlog.contextvars.bound_contextvars(overlay=name):
            overlay = self._world.desired.overlays().get(name)
            if overlay is None:
                self._world.reporter.report_orphan(name, self._world.parents.read(name))
                return None
            try:
                return self._passed(overlay)
            except (Rejected, Unavailable) as error:
                if error.reason not in _NO_NEWS:
                    self._world.reporter.report_stopped(name, overlay.environment, Stall(error.reason, str(error)))
                raise

    def _passed(self, overlay: Overlay) -> float | None:
        name, started = overlay.name, self._world.clock()
        parent = self._parent(name)
        target = self._targets.choose(overlay, parent)
        rendered = self._world.clock()
        steps, outcomes, observed = self._converge(name, target, parent)
        took = {"render": rendered - started, "apply": self._world.clock() - rendered}
        status = self._report(target, steps, (outcomes, observed), took)
        if target.desired and target.stall is None and (status.sync, status.health) == (Sync.SYNCED, Health.HEALTHY):
            self._memory.healthy[name] = target.desired.key
        return self._again(name, steps, outcomes)

    def preview(self, name: str) -> tuple[Revision | None, Plan]:
        """What a pass would do now, with exact differences, without writing anything.

        Raises: Rejected when a pass would refuse what git asks for.
        """
        parent = self._world.parents.read(name) or Parent(name, self._world.repo_name)
        desired = self._world.desired.at_head(name)
        refusal = self._targets.choose(desired.overlay, parent).refusal
        if refusal is not None:
            raise Rejected(refusal.reason, refusal.message)
        observed = self._observed(name, desired.manifests, parent)
        policy = SyncTarget(desired.overlay, desired.revision, desired).policy(generated=False, tolerated={})
        steps = plan.plan(desired.manifests, parent.members, observed, policy)
        return desired.revision, self._world.executor.examine(steps, self._scope(name, desired))

    def _applied(self, name: str) -> Revision | None:
        with self._lock:
            known = self._memory.parents.get(name)
        return known.applied if known else None

    def _parent(self, name: str) -> Parent:
        with self._lock:
            known = self._memory.parents.get(name)
            is_sure = known is not None or (self._memory.whole and name not in self._memory.unsure)
        found = known if is_sure else self._world.parents.read(name)
        return found or Parent(name, self._world.repo_name)

    def _observed(self, name: str, manifests: Sequence[Manifest], parent: Parent) -> Mapping[Key, Observed]:
        kinds = {(m.key.group, m.version, m.key.kind) for m in manifests}
        kinds |= {(m.key.group, m.version, m.key.kind) for m in parent.members.values()}
        self._world.live.watch(kinds)
        return self._world.live.members(applyset_of(name))

    def _converge(
        self, name: str, target: SyncTarget, parent: Parent
    ) -> tuple[Plan, dict[Key, Outcome], Mapping[Key, Observed]]:
        """Plans, examines and executes. Without anything desired nothing is planned at all: nothing is ever pruned
        because an overlay could not be rendered.
        """
        desired = target.desired
        if desired is None:
            return (), {}, {}
        observed = self._observed(name, desired.manifests, parent)
        generated = self._may_prune_generated(desired, parent)
        policy = target.policy(generated=generated, tolerated=self._memory.tolerated)
        steps = plan.plan(desired.manifests, parent.members, observed, policy)
        if plan.is_empty(steps):
            self._remember_parent(parent)
            return steps, {}, observed
        scope = self._scope(name, desired)
        # Of an overlay that never was applied nothing is expected to be there; what is, refuses to be created.
        absent_too = bool(parent.resource_version or desired.withheld or target.stall)
        steps = self._world.executor.examine(steps, scope, absent_too=absent_too)
        steps = self._withheld(name, target, steps, parent)
        recorded = parent.applied is not None or bool(desired.withheld) or not plan.is_whole(steps, {})
        if recorded and not any(plan.is_write(step) for step in steps):
            outcomes = self._world.executor.execute(steps, scope, observed)
            self._remember_parent(replace(parent, members=plan.members_after(parent.members, outcomes)))
            self._remember_tolerated(steps)
            return steps, outcomes, observed
        return steps, self._write(name, target, (steps, scope, observed), parent), observed

    def _write(
        self,
        name: str,
        target: SyncTarget,
        work: tuple[Plan, ApplyScope, Mapping[Key, Observed]],
        parent: Parent,
    ) -> dict[Key, Outcome]:
        """Write-ahead with the fence, the writes, then what became of them. A Conflict at either end means that another
        writer is at work: what is remembered is void, and the next pass starts from what is stored.
        """
        steps, scope, observed = work
        if not self._world.may_write():
            raise Unavailable("NotLeading", "another replica leads; this one does not write")
        revision = target.desired.revision if target.desired else None
        if self._world.desired.is_behind(parent.head):
            raise Conflict("Behind", "another replica has seen a newer head of the config repo")
        with self._lock:
            self._memory.parents.pop(name, None)
            self._memory.unsure.add(name)
        members = plan.members_before(parent.members, steps)
        head = self._world.desired.head()
        ahead = replace(parent, members=members, pass_revision=revision, head=head)
        fenced = self._world.parents.write(ahead)
        outcomes = self._world.executor.execute(steps, scope, observed)
        self._remember_heals(name, steps, parent)
        self._memory.retained_at.pop(name, None)
        applied = target.applied_by(steps, outcomes) or parent.applied
        members = plan.members_after(fenced.members, outcomes)
        self._remember_parent(self._world.parents.write(replace(fenced, members=members, applied=applied)))
        return outcomes

    def _withheld(self, name: str, target: SyncTarget, steps: Plan, parent: Parent) -> Plan:
        """Takes out of the plan what is only to be shown, and what somebody keeps fighting over."""
        desired = target.desired
        reason = desired.withheld if desired else ""
        if target.stall and target.stall.reason == SUSPENDED:
            reason = target.stall.message
        if reason:
            return tuple(plan.withhold(step, reason) for step in steps)
        heal = desired is not None and desired.heal
        return tuple(
            self._calmed(name, step, heal=heal) if plan.is_drift(step, parent.members) else step for step in steps
        )

    def _calmed(self, name: str, step: plan.Step, *, heal: bool) -> plan.Step:
        if not heal:
            return plan.withhold(step, _REPORTED)
        wait = heal_backoff.wait(self._memory.heals.get((name, step.key), ()), self._world.clock())
        if not wait:
            return step
        drift = step.drift if isinstance(step, Configure | plan.Strip) else ()
        who = ", ".join(sorted({each.manager for each in drift if each.manager})) or "somebody"
        return plan.withhold(step, f"{who} keeps changing it back; healed again in {wait:.0f} s")

    def _remember_heals(self, name: str, steps: Plan, parent: Parent) -> None:
        for step in steps:
            if plan.is_drift(step, parent.members):
                heals = self._memory.heals.setdefault((name, step.key), [])
                heals.append(self._world.clock())
                del heals[:-20]

    def _remember_tolerated(self, steps: Plan) -> None:
        """Fields of others whose removal was tried in a dry run and changed nothing."""
        for step in steps:
            if isinstance(step, Configure) and step.cause is plan.Cause.TOLERATED:
                self._memory.tolerated[step.key] = frozenset(owner.field for owner in step.observed.foreign)

    def _remember_parent(self, parent: Parent) -> None:
        with self._lock:
            self._memory.parents[parent.overlay] = parent
            self._memory.unsure.discard(parent.overlay)

    def _scope(self, name: str, desired: Desired) -> ApplyScope:
        def claimed(key: Key, part_of: str) -> str:
            other = next((each for each in self._world.desired.overlays() if applyset_of(each) == part_of), None)
            if other is None or not self._world.desired.may_want(other, key):
                return ""
            return f"is also in overlay {other}; an object belongs to exactly one overlay"

        manifests = {manifest.key: manifest for manifest in desired.manifests}
        return ApplyScope(applyset_of(name), manifests, desired.scaled, claimed, desired.adopt)

    def _may_prune_generated(self, desired: Desired, parent: Parent) -> bool:
        """Only once this very content was Healthy, and then not at every pass: it asks who still refers to them."""
        name, now = desired.overlay.name, self._world.clock()
        leavers = any(plan.is_generated(key) and key not in desired.keys for key in parent.members)
        if not leavers or self._memory.healthy.get(name) != desired.key:
            return False
        if now - self._memory.retained_at.get(name, float("-inf")) < _RECHECK_RETAINED:
            return False
        self._memory.retained_at[name] = now
        return True

    def _report(
        self,
        target: SyncTarget,
        steps: Plan,
        found: tuple[Mapping[Key, Outcome], Mapping[Key, Observed]],
        took: Mapping[str, float],
    ) -> SyncStatus:
        outcomes, observed = found
        name = target.overlay.name
        parent = self._memory.parents.get(name)
        note = self._world.pending.pending(name) if self._world.pending else PendingNote()
        images = self._world.images
        results = PassResults(
            overlay=name,
            environment=target.overlay.environment,
            target=target.revision,
            rendered=target.desired.revision if target.desired else None,
            applied=target.applied_by(steps, outcomes) or (parent.applied if parent else None),
            objects=summary.object_statuses(steps, outcomes, observed),
            images=target.desired.images if target.desired else {},
            stall=target.stall,
            took=took if outcomes else {},
            waived=target.desired.release.waivers if target.desired and target.desired.release else (),
            waiting=((target.desired.waiting if target.desired else ()) + note.waiting)[:_MOST_SENTENCES],
            requests=note.requests,
            warnings=target.warnings[:_MOST_SENTENCES],
            missing=images.missing(target.desired) if images and target.desired else None,
        )
        done = summary.actions(outcomes.values())
        if self._world.counter is not None:
            self._world.counter.wrote(name, done)
            self._world.counter.drifted(name, summary.new_drift(results.objects, self._world.reporter.status(name)))
        status = self._world.reporter.report(results, done)
        for observer in self._world.observers:
            observer.observe_pass(target.desired if target.stall is None else None, status)
        return status

    def _again(self, name: str, steps: Plan, outcomes: Mapping[Key, Outcome]) -> float | None:
        failed = [outcome for outcome in outcomes.values() if outcome.action is Action.FAILED]
        failed_early = [step for step in steps if isinstance(step, plan.Skipped) and step.failed]
        if failed or failed_early:
            count = len(failed) + len(failed_early)
            raise Unavailable("Incomplete", f"{count} of {len(steps)} objects could not be applied")
        waits = [
            heal_backoff.wait(self._memory.heals.get((name, step.key), ()), self._world.clock())
            for step in steps
            if isinstance(step, plan.Skipped) and step.drift
        ]
        if any(waits):
            return max(waits)
        if any(isinstance(step, Configure) and step.cause is plan.Cause.VERIFIED for step in steps):
            return 0.0  # what it hid, such as fields of others, is seen now
        if self._world.reporter.is_late(name):
            return WRITE_EVERY
        retained = any(isinstance(step, plan.Skipped) and step.reason == plan.RETAINED for step in steps)
        if retained and name in self._memory.healthy:
            return _RECHECK_RETAINED if name in self._memory.retained_at else 0.0
        return None
