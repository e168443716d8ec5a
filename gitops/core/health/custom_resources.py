"""Rules for custom resources: some well-known kinds, and kstatus for all others.

https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
"""

from gitops.core.health.verdict import (
    Health,
    Verdict,
    condition,
    degraded,
    healthy,
    is_false,
    is_true,
    number,
    progressing,
    section,
    suspended,
    unobserved,
    words,
)
from gitops.core.objects import Body

_ROLLOUT_PHASES = {
    "Healthy": Health.HEALTHY,
    "Paused": Health.SUSPENDED,
    "Progressing": Health.PROGRESSING,
    "Degraded": Health.DEGRADED,
}


def any_kind(body: Body) -> Verdict:
    """Applies kstatus. An object without a status is Healthy."""
    if "observedGeneration" in section(body, "status") and (waiting := unobserved(body)):
        return progressing(waiting)
    if is_true(body, "Stalled"):
        return degraded(words(condition(body, "Stalled")))
    if is_true(body, "Reconciling"):
        return progressing(words(condition(body, "Reconciling")))
    ready = condition(body, "Ready")
    if number(ready, "observedGeneration", 1 << 62) < number(section(body, "metadata"), "generation"):
        return progressing("its Ready condition is about an older generation")
    if ready and ready.get("status") != "True":
        return progressing(f"not ready: {words(ready)}".rstrip(": "))
    return healthy(words(ready))


def scaled_object(body: Body) -> Verdict:
    """KEDA. Inactive is Healthy: a queue worker has no work. https://keda.sh/docs/latest/reference/scaledobject-spec/"""
    if is_true(body, "Paused"):
        return suspended(words(condition(body, "Paused")))
    if is_false(body, "Ready"):
        return degraded(f"not ready: {words(condition(body, 'Ready'))}")
    if is_true(body, "Fallback"):
        return healthy(f"warning: scaling by fallback: {words(condition(body, 'Fallback'))}")
    return any_kind(body)


def application(body: Body) -> Verdict:
    """app.k8s.io. https://github.com/kubernetes-sigs/application/blob/master/docs/api.md"""
    if is_true(body, "Error"):
        return degraded(words(condition(body, "Error")))
    health, message = any_kind(body)
    components = section(body, "status").get("componentsReady")
    return health, f"{components} components ready" if components else message


def rollout(body: Body) -> Verdict:
    """Argo Rollouts: status.phase is the summary of its own controller."""
    if waiting := unobserved(body):
        return progressing(waiting)
    status = section(body, "status")
    phase = str(status.get("phase") or "unknown")
    message = str(status.get("message") or words(condition(body, "Progressing")) or f"phase {phase}")
    return _ROLLOUT_PHASES.get(phase, Health.PROGRESSING), message
