"""Health rules: the verdict on one live object. Healthy < Suspended < Progressing < Missing < Degraded < Unknown.

Not here: other objects, clocks, the health of an overlay (core/sync/summary). A rule sees one body and nothing else.
Begin with the table `_RULES` below.

To add a rule for a kind: 1. write a function `body -> Verdict` in the module of its sort (`workloads`, `pods`,
`built_in` or `custom_resources`), with the helpers of `verdict`; 2. add a row to `_RULES`; 3. add one fixture for each
verdict, `tests/core/health/<kind>-<verdict>[-<case>].yaml`. The tests find it by its name.
"""

from collections.abc import Mapping
from typing import Protocol

from gitops.core.health import built_in, custom_resources, pods, workloads
from gitops.core.health.verdict import Health, Verdict, conditions, healthy, progressing, section
from gitops.core.objects import Body

__all__ = ["Health", "Verdict", "assess", "has_rule"]


class HealthRule(Protocol):
    """Judges one live object of one kind."""

    def __call__(self, body: Body, /) -> Verdict: ...


_RULES: Mapping[tuple[str, str], HealthRule] = {
    ("", "PersistentVolumeClaim"): built_in.persistent_volume_claim,
    ("", "Pod"): pods.pod,
    ("", "Service"): built_in.service,
    ("", "Namespace"): built_in.namespace,
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
"""API groups of Kubernetes itself: https://kubernetes.io/docs/reference/kubernetes-api/"""


def has_rule(group: str, kind: str) -> bool:
    """True if `assess` needs the whole body. False: an object that exists is Healthy, and its metadata is enough.

    Custom resources always have a rule, kstatus, because they may have conditions.
    """
    return (group, kind) in _RULES or group not in _BUILT_IN_GROUPS


def assess(body: Body) -> Verdict:
    """Judges one live object. `apiVersion` and `kind` must be the object's own, not those of a PartialObjectMetadata.
    A status that is absent or incomplete is no error.
    """
    group = str(body["apiVersion"]).rpartition("/")[0]
    kind = str(body["kind"])
    if section(body, "metadata").get("deletionTimestamp"):
        return _assess_deletion(body)
    if (group, kind) in _RULES:
        return _RULES[group, kind](body)
    return custom_resources.any_kind(body) if has_rule(group, kind) else healthy()


def _assess_deletion(body: Body) -> Verdict:
    """Names what blocks the deletion: finalizers and, for a Namespace, its content."""
    metadata = section(body, "metadata")
    finalizers = ", ".join(metadata.get("finalizers") or ())
    blockers = [str(each.get("message")) for each in conditions(body) if _blocks_deletion(each)]
    if finalizers:
        blockers.insert(0, f"waiting for finalizers {finalizers}")
    return progressing("; ".join([f"deleting since {metadata['deletionTimestamp']}", *blockers]))


def _blocks_deletion(condition: Mapping[str, object]) -> bool:
    return str(condition.get("type")).startswith("Namespace") and condition.get("status") == "True"
