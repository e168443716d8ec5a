"""References of the pods of a workload: literal specs -> keys."""

from typing import Any

import pytest

from gitops.core.manifests import pod_references
from gitops.core.objects import Key


def found(kind: str, spec: object, **more: object) -> set[str]:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "x", "namespace": "dev"},
        "spec": spec,
    }
    keys = pod_references.references({**body, **more})
    assert {(key.group, key.namespace) for key in keys} <= {("", "dev")}
    return {f"{key.kind}/{key.name}" for key in keys}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"serviceAccountName": "a", "serviceAccount": "b"}, {"ServiceAccount/a", "ServiceAccount/b"}),
        ({"imagePullSecrets": [{"name": "pull"}]}, {"Secret/pull"}),
        ({"volumes": [{"configMap": {"name": "c"}}, {"secret": {"secretName": "s"}}]}, {"ConfigMap/c", "Secret/s"}),
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "p"}}]}, {"PersistentVolumeClaim/p"}),
        (
            {"volumes": [{"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}]},
            {"ConfigMap/c", "Secret/s"},
        ),
        (
            {"containers": [{"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]}]},
            {"ConfigMap/c", "Secret/s"},
        ),
        (
            {"initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "c"}}}]}]},
            {"ConfigMap/c"},
        ),
        ({"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}]}]}, {"Secret/s"}),
        ({"volumes": "text", "containers": [None, {"env": {}}], "serviceAccountName": 7}, set()),
        ({"volumes": [{"configMap": {"name": ""}}]}, set()),
    ],
)
def test_pod_references(pod: dict[str, Any], expected: set[str]) -> None:
    assert found("Pod", pod) == expected
    assert found("Deployment", {"template": {"spec": pod}}) == expected
    assert found("CronJob", {"jobTemplate": {"spec": {"template": {"spec": pod}}}}) == expected
    assert found("ControllerRevision", None, data={"spec": {"template": {"spec": pod}}}) == expected


def test_pod_references_of_an_object_without_pods() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}
    assert pod_references.references(body) == frozenset()
    assert Key("", "Secret", "dev", "s").kind == "Secret"
