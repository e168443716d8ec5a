"""The scope of kinds without a cluster."""

import pytest

from gitops.core.manifests import cluster_scoped


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("v1", "Namespace", False),
        ("v1", "ConfigMap", True),
        ("apps/v1", "Deployment", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", False),
        ("rbac.authorization.k8s.io/v1", "Role", True),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", False),
        ("example.com/v1", "Namespace", True),
        ("cert-manager.io/v1", "ClusterIssuer", True),
    ],
)
def test_cluster_scoped_kinds(version: str, kind: str, *, expected: bool) -> None:
    assert cluster_scoped.is_namespaced((version, kind)) is expected
