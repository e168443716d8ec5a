"""Rules for built-in kinds that run no pods: Namespace, storage, network, autoscaling, budgets, API extensions."""

from gitops.core.health.verdict import (
    Verdict,
    condition,
    degraded,
    healthy,
    is_false,
    is_true,
    number,
    progressing,
    section,
    unobserved,
    words,
)
from gitops.core.objects import Body


def namespace(_body: Body) -> Verdict:
    """Always Healthy. The rule exists so that whole bodies are read: the status names what blocks a deletion."""
    return healthy()


def persistent_volume_claim(body: Body) -> Verdict:
    phase = section(body, "status").get("phase") or "Pending"
    if phase == "Lost":
        return degraded(f"lost: its volume {section(body, 'spec').get('volumeName', '')} does not exist any more")
    if phase != "Bound":
        storage = section(body, "spec").get("storageClassName") or "the default one"
        return progressing(f"{str(phase).lower()}, no volume of storage class {storage} is bound yet")
    return healthy("bound")


def service(body: Body) -> Verdict:
    if section(body, "spec").get("type") != "LoadBalancer" or section(body, "status", "loadBalancer").get("ingress"):
        return healthy()
    return progressing("waiting for an address of the load balancer")


def horizontal_pod_autoscaler(body: Body) -> Verdict:
    """An autoscaler without metrics is Healthy with a warning: nothing is scaled, but all pods run."""
    if is_false(body, "AbleToScale"):
        return degraded(f"cannot scale: {words(condition(body, 'AbleToScale'))}")
    if is_false(body, "ScalingActive"):
        return healthy(f"warning: not scaling: {words(condition(body, 'ScalingActive'))}")
    if is_true(body, "ScalingLimited"):
        return healthy(words(condition(body, "ScalingLimited")))
    return healthy()


def pod_disruption_budget(body: Body) -> Verdict:
    """Too few healthy pods is the verdict of their workload. Here it only means that no pod may be evicted now."""
    if waiting := unobserved(body):
        return progressing(waiting)
    allowed = condition(body, "DisruptionAllowed")
    if allowed.get("reason") == "SyncFailed":
        return degraded(words(allowed))
    status = section(body, "status")
    current, desired = number(status, "currentHealthy"), number(status, "desiredHealthy")
    return healthy(
        f"{current} pods healthy, {desired} needed; {number(status, 'disruptionsAllowed')} may be evicted now"
    )


def custom_resource_definition(body: Body) -> Verdict:
    if is_false(body, "NamesAccepted"):
        return degraded(words(condition(body, "NamesAccepted")))
    if is_true(body, "Established"):
        return healthy()
    return progressing(f"not established yet: {words(condition(body, 'Established'))}".rstrip(": "))


def api_service(body: Body) -> Verdict:
    if is_true(body, "Available"):
        return healthy()
    return progressing(f"not available: {words(condition(body, 'Available'))}".rstrip(": "))
