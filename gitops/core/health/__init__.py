"""Health of one live object: Healthy < Suspended < Progressing < Missing < Degraded < Unknown, worst wins.

One function per kind, body in, (health, message) out. What is not in the body is not asked for: no other object, no
clock. A new kind is one function, one line in the table and one fixture per verdict.
"""

from collections.abc import Callable, Mapping

from gitops.core.health import built_in, custom_resources, pods, workloads
from gitops.core.health.verdict import Health, Verdict, conditions, healthy, progressing, section
from gitops.core.objects import Body

__all__ = ["Health", "Verdict", "assess", "has_rule"]

_RULES: Mapping[tuple[str, str], Callable[[Body], Verdict]] = {
    ("", "PersistentVolumeClaim"): built_in.persistent_volume_claim,
    ("", "Pod"): pods.pod,
    ("", "Service"): built_in.service,
    ("", "Namespace"): lambda _: healthy(),  # whole bodies are wanted: the status says what holds up a deletion
    ("apiextensions.k8s.io", "CustomResourceDefinition"): built_in.custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): built_in.api_service,
    ("app.k8s.io", "Application"): custom_resources.application,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("argoproj.io", "Rollout"): custom_resources.rollout,
    ("autoscaling", "HorizontalPodAutoscaler"): built_in.horizontal_pod_autoscaler,
    ("batch", "CronJob"): pods.cron_job,
    ("batch", "Job"): pods.job,
    ("keda.sh", "ScaledObject"): custom_resources.scaled_object,
    ("policy", "PodDisruptionBudget"): built_in.pod_disruption_budget,
}

_BUILT_IN_GROUPS = frozenset(
    {"", "apps", "autoscaling", "batch", "policy"}
    | {
        f"{name}.k8s.io"
        for name in (
            *("admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization"),
            *("certificates", "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver"),
            *("networking", "node", "rbac.authorization", "resource", "scheduling", "storage", "storagemigration"),
        )
    }
)
"""Groups that the API server serves by itself: https://kubernetes.io/docs/reference/kubernetes-api/"""


def has_rule(group: str, kind: str) -> bool:
    """True when `assess` needs the whole body. False: to exist is to be Healthy, metadata is enough.

    Kinds that no cluster has built in may always carry conditions, so they have a rule: kstatus.
    """
    return (group, kind) in _RULES or group not in _BUILT_IN_GROUPS


def assess(body: Body) -> Verdict:
    """The verdict on one live object. `apiVersion` and `kind` must be the object's own (a PartialObjectMetadata says
    another kind of itself); a status that is absent or half written is no error.
    """
    group = str(body["apiVersion"]).rpartition("/")[0]
    kind = str(body["kind"])
    if section(body, "metadata").get("deletionTimestamp"):
        return _deleting(body)
    if (group, kind) in _RULES:
        return _RULES[group, kind](body)
    return custom_resources.any_kind(body) if has_rule(group, kind) else healthy()


def _deleting(body: Body) -> Verdict:
    """Deletion only goes on when finalizers are removed and, for a Namespace, its content is gone."""
    metadata = section(body, "metadata")
    finalizers = ", ".join(metadata.get("finalizers") or ())
    holds = [str(each.get("message")) for each in conditions(body) if _holds_deletion(each)]
    if finalizers:
        holds.insert(0, f"waiting for finalizers {finalizers}")
    return progressing("; ".join([f"deleting since {metadata['deletionTimestamp']}", *holds]))


def _holds_deletion(condition: Mapping[str, object]) -> bool:
    return str(condition.get("type")).startswith("Namespace") and condition.get("status") == "True"
