"""One pass over one overlay: what git wants, what the cluster has, the difference, its execution, the status.

Level-triggered: a pass gets a name and reads everything else. It never waits: "Progressing" means that the watch, or
the delay it returns, brings it back. Its caller, the workqueue, turns a GitopsError into a retry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Conflict, Rejected, Unavailable
from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.ownership.applyset import Parent, applyset_of
from gitops.core.ownership.live_object import Observed
from gitops.core.revision import Revision
from gitops.core.sync import heal_backoff, plan, requeue, retention, summary, withholding
from gitops.core.sync.desired import Desired
from gitops.core.sync.plan import Outcome, Plan
from gitops.core.sync.requeue import RequeueFacts
from gitops.core.sync.status import PendingNote, Sync, SyncStatus
from gitops.core.sync.summary import PassResults, Stall
from gitops.core.sync.sync_target import SyncTarget
from gitops.desired.desired_state import DesiredState
from gitops.ports import (
    ApplySets,
    Clock,
    ImageAvailability,
    Leadership,
    LiveState,
    PassObserver,
    PendingPromotions,
    SyncObserver,
)
from gitops.reconcile.admission import OverlayAdmission
from gitops.reconcile.executor import ApplyScope, Executor
from gitops.reconcile.object_claims import OverlayClaims
from gitops.reconcile.pass_memory import OverlayMemory, PassMemory
from gitops.reconcile.status_writer import WRITE_EVERY, StatusWriter
from gitops.reconcile.target_choice import TargetChoice

_MOST_SENTENCES = 50
_NO_NEWS = frozenset({"Incomplete", "NotLeading"})
"""Reasons that are not reported as a stall: the status is written already, or nothing changed."""


@dataclass(frozen=True, slots=True)
class ReconcilerParties:
    """The parties of a pass. `observers` learn the result of each pass, `counter` what it wrote. Without `pending` and
    `images` the status says nothing of promotions and of missing images.
    """

    desired: DesiredState
    admission: OverlayAdmission
    live: LiveState
    parents: ApplySets
    reporter: StatusWriter
    executor: Executor
    clock: Clock
    leadership: Leadership
    repo_name: str
    observers: Sequence[PassObserver] = ()
    pending: PendingPromotions | None = None
    images: ImageAvailability | None = None
    counter: SyncObserver | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """One pass: its target, the ApplySet parent that it starts from, and the memory of earlier passes."""

    target: SyncTarget
    parent: Parent
    memory: OverlayMemory


@dataclass(frozen=True, slots=True)
class _PassResult:
    """The plan of a pass, the outcomes of its steps, and the live objects that it was made from."""

    steps: Plan = ()
    outcomes: Mapping[Key, Outcome] = field(default_factory=dict)
    observed: Mapping[Key, Observed] = field(default_factory=dict)


class Reconciler:
    """Thread-safe for different overlays; the workqueue never runs two passes of one overlay at once."""

    def __init__(self, parties: ReconcilerParties) -> None:
        self._parties = parties
        self._desired = parties.desired
        self._targets = TargetChoice(parties.desired, parties.admission, parties.clock)
        self._executor = parties.executor
        self._clock = parties.clock
        self._claims = OverlayClaims(parties.desired)
        self._memory = PassMemory()

    def recall(self) -> None:
        """Reads all parents and statuses at once: called when this replica starts to lead."""
        parents = self._parties.parents.read_all()
        self._parties.reporter.recall()
        self._memory.recall(parents)

    def forget(self) -> None:
        """Drops what passes remember: this replica stops to lead, and other replicas write, unseen here."""
        self._memory.forget()

    @property
    def has_recalled(self) -> bool:
        return self._memory.is_whole

    def known_overlays(self) -> frozenset[str]:
        """Every overlay that git has now or that was applied before."""
        return self._memory.applied_overlays() | self._desired.overlays().keys()

    def breached_overlays(self) -> frozenset[str]:
        """Overlays in which the last pass found a violation; a change of another overlay may have mended it."""
        return self._memory.breached() & self._desired.overlays().keys()

    def overlay_of(self, applyset: str) -> str | None:
        """The overlay whose objects carry this part-of label."""
        return next((name for name in self.known_overlays() if applyset_of(name) == applyset), None)

    def reconcile(self, name: str) -> float | None:
        """Makes one pass; returns the seconds until the next one, None = when something changes.

        Raises: Unavailable, Conflict when the queue is to run it again with backoff.
        """
        with structlog.contextvars.bound_contextvars(overlay=name):
            overlay = self._desired.overlays().get(name)
            if overlay is None:
                self._parties.reporter.report_orphan(name, self._parties.parents.read(name))
                return None
            try:
                return self._reconcile(overlay)
            except (Rejected, Unavailable) as error:
                if error.reason not in _NO_NEWS:
                    stall = Stall(error.reason, str(error))
                    self._parties.reporter.report_stopped(name, overlay.environment, stall)
                raise

    def _reconcile(self, overlay: Overlay) -> float | None:
        started = self._clock.monotonic()
        memory = self._memory.of(overlay.name)
        parent = self._parent(overlay.name, memory)
        target = self._targets.choose(parent, self._memory.applied)
        if target.is_breached is not None:
            memory.is_breached = target.is_breached
        work = _Work(target, parent, memory)
        rendered = self._clock.monotonic()
        done = self._converge(work)
        took = {"render": rendered - started, "apply": self._clock.monotonic() - rendered}
        status = self._report(work, done, took)
        desired = work.target.desired
        if desired and work.target.stall is None and (status.sync, status.health) == (Sync.SYNCED, Health.HEALTHY):
            memory.healthy_key = desired.key
        return requeue.delay(done.steps, done.outcomes, self._requeue_facts(overlay.name, memory))

    def preview(self, name: str) -> tuple[Revision | None, Plan]:
        """The plan of a pass now, with exact differences, and the revision that it is for. Writes nothing.

        Raises: Rejected when git has no such overlay, or a pass would refuse its desired state.
        """
        if name not in self._desired.overlays():
            raise Rejected("NotFound", f"the config repo has no overlay {name}")
        parent = self._parties.parents.read(name) or Parent(name, self._parties.repo_name)
        target = self._targets.choose(parent, self._memory.applied)
        desired, refusal = target.desired, target.refusal
        if refusal is not None:
            raise Rejected(refusal.reason, refusal.message)
        if desired is None:
            return target.revision, ()
        observed = self._observe(desired, parent)
        policy = SyncTarget(desired.overlay, desired.revision, desired).policy(generated=False, tolerated={})
        steps = plan.plan(desired.manifests, parent.members, observed, policy)
        return desired.revision, self._executor.examine(steps, self._scope(desired))

    def _parent(self, name: str, memory: OverlayMemory) -> Parent:
        found = memory.parent if memory.is_sure else self._parties.parents.read(name)
        return found or Parent(name, self._parties.repo_name)

    def _observe(self, desired: Desired, parent: Parent) -> Mapping[Key, Observed]:
        kinds = {(m.key.group, m.version, m.key.kind) for m in desired.manifests}
        kinds |= {(m.key.group, m.version, m.key.kind) for m in parent.members.values()}
        self._parties.live.watch(kinds)
        return self._parties.live.members(desired.applyset)

    def _converge(self, work: _Work) -> _PassResult:
        """Plans, examines and executes. Without a desired state nothing is planned, so that no object is pruned
        because an overlay could not be rendered.
        """
        desired, parent, memory = work.target.desired, work.parent, work.memory
        if desired is None:
            return _PassResult()
        observed = self._observe(desired, parent)
        policy = work.target.policy(generated=self._may_prune_generated(desired, work), tolerated=memory.tolerated)
        steps = plan.plan(desired.manifests, parent.members, observed, policy)
        if plan.is_empty(steps):
            memory.remember(parent)
            return _PassResult(steps, observed=observed)
        scope = self._scope(desired)
        # Objects of an overlay that was never applied are not looked for: creating them fails if they exist.
        absent_too = bool(parent.resource_version or desired.withheld or work.target.stall)
        steps = self._executor.examine(steps, scope, absent_too=absent_too)
        steps = self._withhold(steps, work)
        is_recorded = parent.applied is not None or bool(desired.withheld) or not plan.is_whole(steps, {})
        if is_recorded and not any(plan.is_write(step) for step in steps):
            outcomes = self._executor.execute(steps, scope, observed)
            memory.remember(replace(parent, members=plan.members_after(parent.members, outcomes)))
            memory.tolerated |= plan.find_tolerated(steps)
            return _PassResult(steps, outcomes, observed)
        return self._write(work, steps, scope, observed)

    def _write(self, work: _Work, steps: Plan, scope: ApplyScope, observed: Mapping[Key, Observed]) -> _PassResult:
        """Stores the members to be (the fence against other writers), executes, stores the outcome. A Conflict at
        either end means that another writer is at work: the next pass starts from the parent that is stored.
        """
        target, parent, memory = work.target, work.parent, work.memory
        if not self._parties.leadership.is_leader():
            raise Unavailable("NotLeading", "another replica leads; this one does not write")
        revision = target.desired.revision if target.desired else None
        if self._desired.is_behind(parent.head):
            raise Conflict("Behind", "another replica has seen a newer head of the config repo")
        memory.doubt()
        members = plan.members_before(parent.members, steps)
        ahead = replace(parent, members=members, pass_revision=revision, head=self._desired.head())
        fenced = self._parties.parents.write(ahead)
        outcomes = self._executor.execute(steps, scope, observed)
        healed = [step.key for step in steps if plan.is_drift(step, parent.members)]
        memory.heals = heal_backoff.record(memory.heals, healed, self._clock.monotonic())
        memory.asked_references_at = None
        applied = target.applied_by(steps, outcomes) or parent.applied
        members = plan.members_after(fenced.members, outcomes)
        memory.remember(self._parties.parents.write(replace(fenced, members=members, applied=applied)))
        return _PassResult(steps, outcomes, observed)

    def _withhold(self, steps: Plan, work: _Work) -> Plan:
        if work.target.withheld:
            return withholding.withhold(steps, work.target.withheld)
        waits = heal_backoff.waits(work.memory.heals, self._clock.monotonic())
        heals = work.target.desired is not None and work.target.desired.heal
        return withholding.calm(steps, work.parent.members, waits, heals=heals)

    def _scope(self, desired: Desired) -> ApplyScope:
        manifests = {manifest.key: manifest for manifest in desired.manifests}
        return ApplyScope(desired.applyset, manifests, desired.scaled, self._claims, desired.adopt)

    def _may_prune_generated(self, desired: Desired, work: _Work) -> bool:
        memory, now = work.memory, self._clock.monotonic()
        since = None if memory.asked_references_at is None else now - memory.asked_references_at
        is_healthy = memory.healthy_key == desired.key
        if not retention.may_prune(work.parent.members, desired.keys, is_healthy=is_healthy, since_asked=since):
            return False
        memory.asked_references_at = now
        return True

    def _report(self, work: _Work, done: _PassResult, took: Mapping[str, float]) -> SyncStatus:
        target, desired, known = work.target, work.target.desired, work.memory.parent
        name, images = target.overlay.name, self._parties.images
        note = self._parties.pending.pending(name) if self._parties.pending else PendingNote()
        results = PassResults(
            overlay=name,
            environment=target.overlay.environment,
            target=target.revision,
            rendered=desired.revision if desired else None,
            applied=target.applied_by(done.steps, done.outcomes) or (known.applied if known else None),
            objects=summary.object_statuses(done.steps, done.outcomes, done.observed),
            images=desired.images if desired else {},
            stall=target.stall,
            took=took if done.outcomes else {},
            waived=desired.release.waivers if desired and desired.release else (),
            waiting=((desired.waiting if desired else ()) + note.waiting)[:_MOST_SENTENCES],
            requests=note.requests,
            warnings=target.warnings[:_MOST_SENTENCES],
            missing=images.missing(desired) if images and desired else None,
        )
        actions = summary.actions(done.outcomes.values())
        if self._parties.counter is not None:
            before = self._parties.reporter.status(name)
            self._parties.counter.on_write(name, actions)
            self._parties.counter.on_drift(name, summary.new_drift(results.objects, before))
        status = self._parties.reporter.report(results, actions)
        for observer in self._parties.observers:
            observer.observe_pass(desired if target.stall is None else None, status)
        return status

    def _requeue_facts(self, name: str, memory: OverlayMemory) -> RequeueFacts:
        return RequeueFacts(
            waits=heal_backoff.waits(memory.heals, self._clock.monotonic()),
            status_due=WRITE_EVERY if self._parties.reporter.is_late(name) else None,
            was_healthy=memory.healthy_key is not None,
            asked_references=memory.asked_references_at is not None,
        )
