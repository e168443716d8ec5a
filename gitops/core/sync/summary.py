"""Computes the status from the results of a pass, once, at the end. No other module sets a condition.

The shape follows fluxcd's internal/reconcile/summarize and the Kubernetes conventions for conditions
(https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.ownership.live_object import Observed
from gitops.core.revision import Revision
from gitops.core.sync.missing_images import PULLABLE, MissingImages
from gitops.core.sync.plan import Outcome, Plan, Skipped
from gitops.core.sync.status import (
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


@dataclass(frozen=True, slots=True)
class Stall:
    """The reason why an overlay cannot reach its target. Lockstep still heals the revision that it applied last."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PassResults:
    """The results of a pass over one overlay. `target`: the revision that git wants. `rendered`: the revision that the
    pass worked with. `missing`: images that cannot be pulled; None = the registries have not been asked.
    """

    overlay: str
    environment: str
    target: Revision | None
    rendered: Revision | None
    applied: Revision | None
    objects: tuple[ObjectStatus, ...] = ()
    images: Mapping[str, Image] = field(default_factory=dict)
    stall: Stall | None = None
    took: Mapping[str, float] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    requests: tuple[PendingRequest, ...] = ()
    waived: tuple[str, ...] = ()
    missing: MissingImages | None = None


def object_statuses(
    steps: Plan, outcomes: Mapping[Key, Outcome], observed: Mapping[Key, Observed]
) -> tuple[ObjectStatus, ...]:
    """One status for each step, in the order of the plan, without pruned objects."""
    statuses = (_object_status(step, outcomes.get(step.key), observed.get(step.key)) for step in steps)
    return tuple(status for status in statuses if status.action is not Action.PRUNED)


def _object_status(step: object, outcome: Outcome | None, seen: Observed | None) -> ObjectStatus:
    key: Key = step.key  # type: ignore[attr-defined]  # every Step has one
    seen = outcome.observed if outcome and outcome.observed else seen
    skipped = step if isinstance(step, Skipped) else None
    action = Action.SKIPPED if skipped else (outcome.action if outcome else Action.UNCHANGED)
    behind = action is Action.FAILED or (skipped is not None and skipped.blocks)
    found = outcome or skipped
    return ObjectStatus(
        key=key,
        sync=Sync.OUT_OF_SYNC if behind else Sync.SYNCED,
        health=seen.health if seen else Health.MISSING,
        message=_first(
            (skipped.reason if skipped else ""), outcome.message if outcome else "", seen.message if seen else ""
        ),
        action=action,
        changes=found.changes if found else (),
        drift=(*(found.drift if found else ()), *_foreign_drift(seen)),
    )


def _first(*texts: str) -> str:
    return next((text for text in texts if text), "")


def _foreign_drift(seen: Observed | None) -> Iterable[Drift]:
    return (Drift(owner.field, owner.manager, "foreign", owner.at) for owner in (seen.foreign if seen else ()))


def summarise(results: PassResults, previous: SyncStatus | None, now: datetime) -> SyncStatus:
    """Computes the overlay's status. `at` and each condition's `since` change only if a person would notice a change.

    An unchanged object keeps its last action, so that people can still see what was changed and by whom.
    """
    results = replace(results, objects=_keep_last_actions(results.objects, previous))
    sync = _sync_of(results)
    health = max((status.health for status in results.objects), default=Health.UNKNOWN)
    whole = sync is Sync.SYNCED and health is Health.HEALTHY
    healthy = results.applied if whole else (previous.revisions.healthy if previous else None)
    status = SyncStatus(
        overlay=results.overlay,
        environment=results.environment,
        sync=sync,
        health=health,
        at=now,
        revisions=Revisions(results.target, results.rendered, results.applied, healthy),
        conditions=_make_conditions(results, sync, health, previous, now),
        images=dict(results.images),
        objects=results.objects,
        took=dict(results.took),
        waiting=results.waiting,
        warnings=results.warnings,
        requests=results.requests,
        waived=results.waived,
    )
    return previous if previous is not None and _is_same(previous, status) else status


def _keep_last_actions(now: Sequence[ObjectStatus], previous: SyncStatus | None) -> tuple[ObjectStatus, ...]:
    before = {status.key: status for status in previous.objects} if previous else {}
    return tuple(_keep_last_action(status, before.get(status.key)) for status in now)


def _keep_last_action(now: ObjectStatus, before: ObjectStatus | None) -> ObjectStatus:
    if before is None or now.action is not Action.UNCHANGED or before.action not in {Action.CREATED, Action.CONFIGURED}:
        return now
    healed = tuple(drift for drift in before.drift if not drift.is_open)
    return replace(now, action=before.action, changes=before.changes, drift=(*healed, *now.drift))


def _sync_of(results: PassResults) -> Sync:
    if results.applied is None and not results.objects:
        return Sync.UNKNOWN
    if results.stall or any(status.sync is not Sync.SYNCED for status in results.objects):
        return Sync.OUT_OF_SYNC
    return Sync.SYNCED


def _make_conditions(
    results: PassResults, sync: Sync, health: Health, previous: SyncStatus | None, now: datetime
) -> tuple[Condition, ...]:
    reason, message = _explain(results, sync, health)
    moving = results.stall is None and (health is Health.PROGRESSING or reason in {"ApplyFailed", "Waiting"})
    found = [
        Condition("Ready", reason == "Synced", reason, message, now),
        Condition("Reconciling", moving, reason if moving else "Settled", message if moving else "", now),
        Condition("Stalled", results.stall is not None, results.stall.reason if results.stall else "Settled", "", now),
    ]
    pullable = _make_pullable(results.missing, previous, now)
    return tuple(_keep_since(condition, previous) for condition in [*found, *([pullable] if pullable else [])])


def _make_pullable(missing: MissingImages | None, previous: SyncStatus | None, now: datetime) -> Condition | None:
    """The condition Pullable. Keeps the previous one while the registries have not been asked."""
    if missing is None:
        return previous.condition(PULLABLE) if previous else None
    return Condition(PULLABLE, not missing.reason, missing.reason or PULLABLE, missing.message, now)


def _keep_since(condition: Condition, previous: SyncStatus | None) -> Condition:
    before = previous.condition(condition.type) if previous else None
    same = before is not None and (before.status, before.reason) == (condition.status, condition.reason)
    return replace(condition, since=before.since) if before is not None and same else condition


def _explain(results: PassResults, sync: Sync, health: Health) -> tuple[str, str]:
    """Reason and message of the condition Ready. The most urgent reason wins."""
    if results.stall:
        return results.stall.reason, results.stall.message
    failed = [status for status in results.objects if status.action is Action.FAILED]
    if failed:
        return "ApplyFailed", _name_objects(failed)
    behind = [status for status in results.objects if status.sync is not Sync.SYNCED]
    if behind:
        return ("Drifted" if any(status.is_drifted for status in behind) else "Waiting"), _name_objects(behind)
    ailing = [status for status in results.objects if status.health is health]
    if health is not Health.HEALTHY:
        return str(health), _name_objects(ailing)
    return ("Synced", "") if sync is Sync.SYNCED else ("Unknown", "nothing was applied yet")


def _name_objects(statuses: Sequence[ObjectStatus]) -> str:
    """Names the first three objects with their messages, and the number of the others."""
    named = "; ".join(
        f"{status.key}: {status.message}" if status.message else str(status.key) for status in statuses[:3]
    )
    more = len(statuses) - 3
    return named if more <= 0 else f"{named}; and {more} more"


def _is_same(before: SyncStatus, after: SyncStatus) -> bool:
    """True if a person would see no difference. Commit ids alone make no difference: the content is the same."""
    return replace(before, at=after.at, took=after.took, revisions=after.revisions) == after and (
        (before.revisions.applied is None) == (after.revisions.applied is None)
        and (before.revisions.healthy is None) == (after.revisions.healthy is None)
    )


def actions(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """The number of objects that one pass created, configured, pruned, skipped, or failed at, by action."""
    return dict(Counter(str(outcome.action) for outcome in outcomes if outcome.action is not Action.UNCHANGED))


def new_drift(objects: Iterable[ObjectStatus], previous: SyncStatus | None) -> list[Drift]:
    """The drift in the results of a pass that the status before it did not show. What was healed is always new."""
    before = (
        {status.key: {_drift_id(drift) for drift in status.drift} for status in previous.objects} if previous else {}
    )
    return [
        drift
        for status in objects
        for drift in status.drift
        if not drift.is_open or _drift_id(drift) not in before.get(status.key, ())
    ]


def _drift_id(drift: Drift) -> tuple[str, str, str]:
    return drift.field, drift.manager, drift.kind


def record(previous: SyncStatus | None, status: SyncStatus, done: Mapping[str, int]) -> Record | None:
    """A line for the history if the pass did something, or if sync, health, reason, waivers or missing images changed.
    Else None.
    """
    ready = status.condition("Ready")
    before = previous.condition("Ready") if previous else None
    reason, message = (ready.reason, ready.message) if ready else ("", "")
    same = previous is not None and (previous.sync, previous.health, previous.waived) == (
        status.sync,
        status.health,
        status.waived,
    )
    is_quiet = same and not done and before is not None and before.reason == reason
    pullable = _find_pullable_change(status, previous)
    if is_quiet and pullable is None:
        return None
    if pullable is not None:
        is_alone = is_quiet or (ready is not None and ready.status and not pullable.status)
        reason = pullable.reason if is_alone else reason
        message = "; ".join(filter(None, (message, pullable.message))) or "all images can be pulled again"
    return Record(
        at=status.at,
        revision=status.revisions.rendered,
        sync=status.sync,
        health=status.health,
        reason=reason,
        message=message,
        actions=dict(done),
        images=status.images,
        took=status.took,
        waived=status.waived,
    )


def _find_pullable_change(status: SyncStatus, previous: SyncStatus | None) -> Condition | None:
    """The condition Pullable, if it changed. A first condition that is True counts as unchanged."""
    now, before = status.condition(PULLABLE), previous.condition(PULLABLE) if previous else None
    known = (before.status, before.message) if before is not None else (True, "")
    return now if now is not None and (now.status, now.message) != known else None
