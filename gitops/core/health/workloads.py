"""Rules for kinds that keep a number of pods running: Deployment, StatefulSet, DaemonSet, ReplicaSet.

The counts are those of `kubectl rollout status` (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).
"""

from gitops.core.health.verdict import (
    Verdict,
    condition,
    degraded,
    healthy,
    is_true,
    number,
    progressing,
    section,
    suspended,
    unobserved,
    words,
)
from gitops.core.objects import Body


def deployment(body: Body) -> Verdict:
    """A replica that cannot be created (quota, admission) is Degraded at once, before the progress deadline. Exception:
    while all old replicas are available it is Progressing, because they free the quota as they stop.
    """
    wanted, updated = number(section(body, "spec"), "replicas", 1), number(section(body, "status"), "updatedReplicas")
    if section(body, "spec").get("paused"):
        return suspended(f"the rollout is paused with {_count(updated, wanted, 'updated')}; resume it to go on")
    if waiting := unobserved(body):
        return progressing(waiting)
    available = number(section(body, "status"), "availableReplicas")
    late = condition(body, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    if is_true(body, "ReplicaFailure"):
        verdict = progressing if wanted and available >= wanted and not late else degraded
        return verdict(f"{_count(updated, wanted, 'updated')}; {words(condition(body, 'ReplicaFailure'))}")
    if late:
        counts = f"{_count(updated, wanted, 'updated')}, {available} available"
        return degraded(f"{counts}; {words(condition(body, 'Progressing'))}")
    return _assess_rollout(body, wanted, updated)


def _assess_rollout(body: Body, wanted: int, updated: int) -> Verdict:
    status = section(body, "status")
    existing, available = number(status, "replicas"), number(status, "availableReplicas")
    if updated < wanted:
        return progressing(_count(updated, wanted, "updated"))
    if existing > updated:
        return progressing(_count_left(existing - updated, "old"))
    return _assess_available(wanted, existing, available)


def stateful_set(body: Body) -> Verdict:
    spec, status = section(body, "spec"), section(body, "status")
    wanted, ready, updated = number(spec, "replicas", 1), number(status, "readyReplicas"), _count_updated(body)
    if waiting := unobserved(body):
        return progressing(waiting)
    if is_true(body, "ReplicaFailure"):
        return degraded(f"{_count(ready, wanted, 'ready')}; {words(condition(body, 'ReplicaFailure'))}")
    if ready < wanted:
        return progressing(_count(ready, wanted, "ready"))
    if section(spec, "updateStrategy").get("type") == "OnDelete":
        return healthy(f"{_count(updated, wanted, 'updated')}; the others when their pods are deleted (OnDelete)")
    due = max(0, wanted - number(section(spec, "updateStrategy", "rollingUpdate"), "partition"))
    if updated < due:
        return progressing(_count(updated, due, "updated"))
    return _assess_available(wanted, number(status, "replicas"), ready)


def _count_updated(body: Body) -> int:
    """Replicas of the newest revision. Once all are updated, their controller may drop updatedReplicas."""
    status = section(body, "status")
    settled = status.get("currentRevision") == status.get("updateRevision")
    return number(status, "replicas") if settled else number(status, "updatedReplicas")


def daemon_set(body: Body) -> Verdict:
    spec, status = section(body, "spec"), section(body, "status")
    wanted, updated = number(status, "desiredNumberScheduled"), number(status, "updatedNumberScheduled")
    if waiting := unobserved(body):
        return progressing(waiting)
    on_delete = section(spec, "updateStrategy").get("type") == "OnDelete"
    if updated < wanted and not on_delete:
        return progressing(_count(updated, wanted, "updated", "node"))
    if number(status, "numberAvailable") < wanted:
        return progressing(_count(number(status, "numberAvailable"), wanted, "available", "node"))
    return healthy(_count(wanted, wanted, "available", "node") if wanted else "no node matches")


def replica_set(body: Body) -> Verdict:
    wanted, status = number(section(body, "spec"), "replicas", 1), section(body, "status")
    available = number(status, "availableReplicas")
    if waiting := unobserved(body):
        return progressing(waiting)
    if is_true(body, "ReplicaFailure"):
        return degraded(f"{_count(available, wanted, 'available')}; {words(condition(body, 'ReplicaFailure'))}")
    return _assess_available(wanted, number(status, "replicas"), available)


def _assess_available(wanted: int, existing: int, available: int) -> Verdict:
    if existing > wanted:
        return progressing(_count_left(existing - wanted, "surplus"))
    if available < wanted:
        return progressing(_count(available, wanted, "available"))
    return healthy(_count(available, wanted, "available") if wanted else "scaled to zero")


def _count(some: int, wanted: int, what: str, noun: str = "replica") -> str:
    return f"{some} of {wanted} {noun}{'' if wanted == 1 else 's'} {what}"


def _count_left(count: int, what: str) -> str:
    return f"{count} {what} replica{'' if count == 1 else 's'} still running"
