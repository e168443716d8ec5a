"""One file in health/ per verdict: `<kind>-<health>[-why].yaml`. Bodies with a resourceVersion were recorded."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.core import health
from gitops.core.health import Health

BODIES = Path(__file__).parent
NO_METRICS = (
    "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
    "metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
)
QUOTA = (
    'pods "greedy-7dff4d7848-qzk2c" is forbidden: exceeded quota: q, requested: requests.cpu=400m, '
    "used: requests.cpu=700m, limited: requests.cpu=1"
)
NO_NODE = (
    "0/5 nodes are available: 5 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, "
    "preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling."
)
REMAINING = (
    "Some resources are remaining: configmaps. has 1 resource instances, persistentvolumeclaims. has 1 resource "
    "instances; Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances, "
    "kubernetes.io/pvc-protection in 1 resource instances"
)

MESSAGES = {
    "apiservice-healthy": "",
    "apiservice-progressing": "not available: endpoints for service/metrics-server have no addresses",
    "application-degraded": "failed to list components",
    "application-healthy": "15/15 components ready",
    "application-progressing": "12/15 components ready",
    "certificate-healthy-no-status": "",
    "certificate-healthy": "Certificate is up to date",
    "certificate-progressing-not-ready": "not ready: Issuing certificate as Secret does not exist",
    "certificate-progressing-old-condition": "its Ready condition is about an older generation",
    "configmap-healthy": "",
    "configmap-progressing-deleting": "deleting since 2026-11-23T23:25:45Z; waiting for finalizers example.com/hold",
    "cronjob-healthy-never-ran": "never ran yet",
    "cronjob-healthy": "last run 2026-11-23T22:00:00Z",
    "cronjob-suspended": "suspended; last run 2026-11-23T22:00:00Z",
    "customresourcedefinition-degraded-names": '"widgets" is already in use',
    "customresourcedefinition-healthy": "",
    "customresourcedefinition-progressing": "not established yet: the initial names have been accepted",
    "daemonset-healthy-no-node": "no node matches",
    "daemonset-healthy": "5 of 5 nodes available",
    "daemonset-progressing-unavailable": "4 of 5 nodes available",
    "daemonset-progressing-updating": "2 of 5 nodes updated",
    "deployment-degraded-deadline": (
        '3 of 3 replicas updated, 0 available; ReplicaSet "late-7b669549c5" has timed out progressing.'
    ),
    "deployment-degraded-quota": f"0 of 4 replicas updated; {QUOTA}",
    "deployment-healthy-scaled-to-zero": "scaled to zero",
    "deployment-healthy": "3 of 3 replicas available",
    "deployment-progressing-old-replicas": "1 old replica still running",
    "deployment-progressing-quota-while-old-serve": f"0 of 4 replicas updated; {QUOTA}",
    "deployment-progressing-scaling-to-zero": "1 surplus replica still running",
    "deployment-progressing-unavailable": "1 of 3 replicas available",
    "deployment-progressing-unobserved": "its controller has not seen generation 2 yet",
    "deployment-progressing-updating": "1 of 3 replicas updated",
    "deployment-suspended-paused": "the rollout is paused with 2 of 3 replicas updated; resume it to go on",
    "gitrepository-degraded-stalled": "URL is invalid",
    "gitrepository-progressing-reconciling": "building artifact",
    "gitrepository-progressing-unobserved": "its controller has not seen generation 3 yet",
    "horizontalpodautoscaler-degraded-no-target": (
        "cannot scale: the HPA controller was unable to get the target's current scale: "
        'deployments.apps "nobody" not found'
    ),
    "horizontalpodautoscaler-healthy-limited": "the desired replica count is more than the maximum replica count",
    "horizontalpodautoscaler-healthy-no-metrics": (
        f"warning: not scaling: the HPA was unable to compute the replica count: {NO_METRICS}"
    ),
    "horizontalpodautoscaler-healthy": "",
    "ingress-healthy-no-address": "",
    "job-degraded-backoff": "Job has reached the specified backoff limit; failed pods: 3",
    "job-degraded-deadline": "Job was active longer than specified deadline; failed pods: 1",
    "job-healthy-completed": "completed",
    "job-progressing": "1 of 3 completions, 1 active, 2 failed",
    "job-suspended": "suspended with 0 of 1 completions",
    "namespace-healthy": "",
    "namespace-progressing-terminating": f"deleting since 2026-11-23T23:25:45Z; {REMAINING}",
    "persistentvolumeclaim-degraded-lost": "lost: its volume pv-7 does not exist any more",
    "persistentvolumeclaim-healthy": "bound",
    "persistentvolumeclaim-progressing-pending": "pending, no volume of storage class none is bound yet",
    "pod-degraded-crash-loop": "container app: CrashLoopBackOff: back-off 5m0s restarting failed container=app",
    "pod-degraded-evicted": "The node was low on resource: memory.",
    "pod-degraded-failed": "container app ended with exit code 137: OOMKilled",
    "pod-degraded-image-pull": 'container app: ImagePullBackOff: Back-off pulling image "harbor.example/order:nope"',
    "pod-degraded-init-container": "container migrate: CrashLoopBackOff",
    "pod-healthy-completed": "completed",
    "pod-healthy-ready": "ready",
    "pod-progressing-creating": "pending",
    "pod-progressing-unschedulable": f"pending; {NO_NODE}",
    "poddisruptionbudget-degraded-sync-failed": 'found no controllers for pod "order-1"',
    "poddisruptionbudget-healthy": "2 pods healthy, 1 needed; 1 may be evicted now",
    "poddisruptionbudget-progressing-unobserved": "its controller has not seen generation 1 yet",
    "replicaset-degraded-quota": f"0 of 4 replicas available; {QUOTA}",
    "replicaset-healthy": "1 of 1 replica available",
    "replicaset-progressing": "1 of 2 replicas available",
    "rollout-degraded": "ProgressDeadlineExceeded: ReplicaSet has timed out progressing",
    "rollout-healthy": "phase Healthy",
    "rollout-progressing-unobserved": "its controller has not seen generation 3 yet",
    "rollout-progressing": "more replicas need to be updated",
    "rollout-suspended": "CanaryPauseStep",
    "scaledobject-degraded": "not ready: ScaledObject doesn't have correct scaleTargetRef specification",
    "scaledobject-healthy-fallback": (
        "warning: scaling by fallback: At least one trigger is falling back on this scaled object"
    ),
    "scaledobject-healthy": "ScaledObject is defined correctly and is ready for scaling",
    "scaledobject-suspended-paused": "ScaledObject is paused",
    "service-healthy-load-balancer": "",
    "service-healthy": "",
    "service-progressing-no-address": "waiting for an address of the load balancer",
    "statefulset-healthy-on-delete": "1 of 3 replicas updated; the others when their pods are deleted (OnDelete)",
    "statefulset-healthy-partition": "3 of 3 replicas available",
    "statefulset-healthy-scaled-to-zero": "scaled to zero",
    "statefulset-healthy": "2 of 2 replicas available",
    "statefulset-progressing-unobserved": "its controller has not seen generation 3 yet",
    "statefulset-progressing-unready": "1 of 3 replicas ready",
    "statefulset-progressing-updating": "1 of 3 replicas updated",
}


def body(name: str) -> Any:
    return yaml.safe_load((BODIES / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", sorted(file.stem for file in BODIES.glob("*.yaml")))
def test_health_of_each_body_is_the_verdict_in_its_name(name: str) -> None:
    verdict, message = health.assess(body(name))

    assert (name.split("-")[1], MESSAGES[name]) == (str(verdict).lower(), message)


def test_health_messages_all_have_a_body() -> None:
    assert {file.stem for file in BODIES.glob("*.yaml")} == MESSAGES.keys()


@pytest.mark.parametrize("name", [name for name in MESSAGES if name.split("-")[1] != "healthy"])
def test_health_that_is_not_healthy_says_why(name: str) -> None:
    assert MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_health_of_an_object_without_a_status_is_no_error(name: str) -> None:
    young = {field: part for field, part in body(name).items() if field != "status"}

    verdict, _ = health.assess(young)

    assert verdict in {Health.HEALTHY, Health.SUSPENDED, Health.PROGRESSING}


@pytest.mark.parametrize("status", [None, {}, {"conditions": None}, {"conditions": [None, {}]}, {"replicas": None}])
def test_health_of_an_incomplete_status_is_no_error(status: object) -> None:
    for name in MESSAGES:
        health.assess(body(name) | {"status": status})


def test_health_needs_only_metadata_for_kinds_without_a_rule() -> None:
    assert not health.has_rule("", "ConfigMap")
    assert not health.has_rule("networking.k8s.io", "NetworkPolicy")
    assert not health.has_rule("rbac.authorization.k8s.io", "Role")


def test_health_has_a_rule_for_workloads_and_every_custom_resource() -> None:
    assert health.has_rule("apps", "Deployment")
    assert health.has_rule("keda.sh", "ScaledObject")
    assert health.has_rule("gateway.networking.k8s.io", "HTTPRoute")


def test_health_that_is_worst_is_the_greatest() -> None:
    assert max(Health.HEALTHY, Health.PROGRESSING, Health.DEGRADED, Health.SUSPENDED) is Health.DEGRADED
    assert str(Health.DEGRADED) == "Degraded"
