"""A local cluster with its prerequisites: workloads roll out, broken ones fail visibly, optional kinds exist."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from kubernetes import client, watch

from gitops.local.cluster import prerequisites
from tests.worlds.control_plane import SharedControlPlane

GOOD = "registry.example/shop/order:1.4.2@sha256:" + "a" * 64
BROKEN = "registry.example/shop/order:1.4.3-broken@sha256:" + "b" * 64


def _template(image: str, **more: Any) -> dict[str, Any]:
    labels = {"app": "order", **more.pop("labels", {})}
    spec = {"containers": [{"name": "app", "image": image}], **more}
    return {"metadata": {"labels": labels}, "spec": spec}


def _deployment(template: Mapping[str, Any], *, replicas: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": "order"},
        "spec": {
            "replicas": replicas,
            "progressDeadlineSeconds": 1,
            "selector": {"matchLabels": {"app": "order"}},
            "template": template,
        },
    }


def _job(image: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "migrate"},
        "spec": {"backoffLimit": 0, "template": _template(image, restartPolicy="Never")},
    }


def _seen(listing: Callable[..., object], namespace: str, wanted: Callable[[Any], bool]) -> Any:
    """Waits for an object in the namespace that satisfies the condition."""
    for event in watch.Watch().stream(listing, namespace, timeout_seconds=30):
        if wanted(event["raw_object"]):
            return event["raw_object"]
    pytest.fail(f"not seen within 30 s in {namespace}")


def _has(condition: str, status: str = "True") -> Callable[[Any], bool]:
    return lambda body: any(
        each["type"] == condition and each["status"] == status for each in body["status"].get("conditions") or []
    )


def test_cluster_makes_a_deployment_available_on_the_nodes_of_its_pool(control_plane: SharedControlPlane) -> None:
    namespace, apps = control_plane.namespace(), client.AppsV1Api(control_plane.api)
    apps.create_namespaced_deployment(
        namespace, _deployment(_template(GOOD, nodeSelector={"pool": "test"}), replicas=2)
    )
    rolled_out = _seen(
        apps.list_namespaced_deployment, namespace, lambda it: it["status"].get("availableReplicas") == 2
    )
    assert _has("Available")(rolled_out)
    pods = client.CoreV1Api(control_plane.api).list_namespaced_pod(namespace).items
    assert {pod.spec.node_name for pod in pods} == {"ecs-5"}


@pytest.mark.parametrize(
    "template",
    [_template(BROKEN), _template(GOOD, labels={"lockstep.local/fail": "true"})],
    ids=["image tag", "label"],
)
def test_cluster_shows_a_broken_release_that_exceeds_its_deadline(
    control_plane: SharedControlPlane, template: dict[str, Any]
) -> None:
    namespace, apps = control_plane.namespace(), client.AppsV1Api(control_plane.api)
    apps.create_namespaced_deployment(namespace, _deployment(template))
    pods = client.CoreV1Api(control_plane.api).list_namespaced_pod
    pod = _seen(pods, namespace, _has("ContainersReady", "False"))
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    _seen(apps.list_namespaced_deployment, namespace, _has("Progressing", "False"))


@pytest.mark.parametrize(("image", "condition"), [(GOOD, "Complete"), (BROKEN, "Failed")])
def test_cluster_ends_a_job(control_plane: SharedControlPlane, image: str, condition: str) -> None:
    namespace, batch = control_plane.namespace(), client.BatchV1Api(control_plane.api)
    batch.create_namespaced_job(namespace, _job(image))
    _seen(batch.list_namespaced_job, namespace, _has(condition))


def test_volumes_bind_a_claim_of_the_nfs_class(control_plane: SharedControlPlane) -> None:
    namespace, core = control_plane.namespace(), client.CoreV1Api(control_plane.api)
    core.create_namespaced_persistent_volume_claim(
        namespace,
        {
            "metadata": {"name": "pictures"},
            "spec": {
                "storageClassName": "nfs-client",
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": "200Gi"}},
            },
        },
    )
    _seen(core.list_namespaced_persistent_volume_claim, namespace, lambda it: it["status"].get("phase") == "Bound")


def test_optional_kinds_keep_any_content(control_plane: SharedControlPlane) -> None:
    custom = client.CustomObjectsApi(control_plane.api)
    namespace = control_plane.namespace()
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "print-worker"},
        "spec": {"maxReplicaCount": 4, "triggers": [{"type": "redis", "metadata": {"listLength": "5"}}]},
    }
    stored = custom.create_namespaced_custom_object("keda.sh", "v1alpha1", namespace, "scaledobjects", body)
    assert stored["spec"] == body["spec"]


def test_prerequisites_applied_again_change_nothing(control_plane: SharedControlPlane) -> None:
    def versions() -> dict[str, str]:
        kinds = client.ApiextensionsV1Api(control_plane.api).list_custom_resource_definition().items
        return {kind.metadata.name: kind.metadata.resource_version for kind in kinds}

    before = versions()
    prerequisites.apply(control_plane.kubeconfig)
    assert versions() == before
    assert "applications.app.k8s.io" in before
