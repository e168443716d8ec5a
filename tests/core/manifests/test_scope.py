import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests import scope
from gitops.core.manifests.manifest import Manifest
from gitops.core.manifests.scope import ScopeCeilings
from gitops.core.objects import Key
from tests.worlds.rejections import rejection

PIPELINE = pipeline.parse(b"""\
platform: {path: base/platform, kinds: [Namespace, DaemonSet]}
services: {app: {image: r.example/app, tags: {semver: ">=1"}}}
environments:
  dev: {namespace: shop-dev}
  prod: {namespace: shop-prod, after: dev, sync: {allow: {cluster: [ClusterRole]}}}
""")
PLATFORM = Overlay("platform", "platform", "base/platform", "")
DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
PROD = Overlay("prod", "prod", "environments/prod", "shop-prod", "dev")


def manifest(kind: str, namespace: str = "", name: str = "x", **labels: str) -> Manifest:
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}}
    return Manifest(Key("", kind, namespace, name), body, manifests.body_hash(body))


def running(image: str) -> Manifest:
    pod = {"spec": {"containers": [{"name": "app", "image": image}]}}
    body = {**manifest("DaemonSet", "shop-prod").body, "spec": {"template": pod}}
    return Manifest(Key("", "DaemonSet", "shop-prod", "x"), body, manifests.body_hash(body))


@pytest.mark.parametrize(
    ("overlay", "found", "said"),
    [
        (DEV, manifest("ConfigMap", "shop-dev"), ""),
        (DEV, manifest("ConfigMap", "shop-prod"), "ConfigMap shop-prod/x is not in shop-dev"),
        (DEV, manifest("Secret", "lockstep-system"), "Secret lockstep-system/x is in the controller's own namespace"),
        (
            DEV,
            manifest("ClusterRole"),
            "add ClusterRole to environments.dev.sync.allow.cluster of",
        ),
        (DEV, manifest("Namespace"), "Namespace x is cluster-scoped; move it to the platform"),
        (DEV, manifest("ValidatingWebhookConfiguration"), "ValidatingWebhookConfiguration x is cluster-scoped"),
        (DEV, manifest("MutatingWebhookConfiguration"), "is cluster-scoped"),
        (DEV, manifest("ClusterRoleBinding"), "is cluster-scoped"),
        (DEV, manifest("Lease", "lockstep-system"), "is in the controller's own namespace"),
        (DEV, manifest("ConfigMap", "lockstep-system"), "is in the controller's own namespace"),
        (DEV, manifest("RoleBinding", "kube-system"), "is not in shop-dev"),
        (PLATFORM, manifest("RoleBinding", "lockstep-system"), "is in the controller's own namespace"),
        (PROD, manifest("ClusterRole"), ""),
        (PROD, manifest("ClusterRoleBinding"), "is cluster-scoped"),
        (PLATFORM, manifest("Namespace"), ""),
        (PLATFORM, manifest("RoleBinding", "shop-dev"), ""),
        (PLATFORM, manifest("RoleBinding", "kube-system"), "is not in one of the environments' namespaces"),
        (PLATFORM, manifest("ClusterRole"), "ClusterRole x is cluster-scoped; add ClusterRole to platform.kinds"),
        (PLATFORM, manifest("Namespace", name="lockstep-system"), "is the controller's own namespace"),
        (PLATFORM, manifest("Deployment", "shop-prod"), "Deployment shop-prod/x is not what a platform holds"),
        (PLATFORM, running("r.example/agent:1"), ""),
        (PLATFORM, running("r.example/app:1"), "DaemonSet shop-prod/x runs r.example/app, a service's image"),
        (
            DEV,
            manifest("ConfigMap", "shop-dev", **{"applyset.kubernetes.io/part-of": "y"}),
            "carries the label",
        ),
        (DEV, manifest("ConfigMap", "shop-dev", **{"applyset.kubernetes.io/id": "y"}), "carries the label"),
    ],
)
def test_scope_a33_a34_of_an_overlay(overlay: Overlay, found: Manifest, said: str) -> None:
    violations = [str(violation) for violation in scope.violations([found], scope.of(overlay, PIPELINE))]
    assert len(violations) == bool(said)
    assert said in "".join(violations)


@pytest.mark.parametrize(
    ("overlay", "found", "ceilings", "refused"),
    [
        (DEV, manifest("ConfigMap", "shop-dev"), ScopeCeilings(namespaces=("shop-dev",)), False),
        (DEV, manifest("ConfigMap", "shop-dev"), ScopeCeilings(namespaces=("shop-prod",)), True),
        (DEV, manifest("ConfigMap", "shop-prod"), ScopeCeilings(namespaces=("shop-prod",)), True),
        (DEV, manifest("ConfigMap", "shop-dev"), ScopeCeilings(namespaces=("shop-*",)), False),
        (PROD, manifest("ClusterRole"), ScopeCeilings(cluster_kinds=("ClusterRole",)), False),
        (PROD, manifest("ClusterRole"), ScopeCeilings(cluster_kinds=("Namespace",)), True),
        (DEV, manifest("ClusterRole"), ScopeCeilings(cluster_kinds=("ClusterRole",)), True),
    ],
)
def test_scope_ceilings_only_narrow(
    overlay: Overlay, found: Manifest, ceilings: ScopeCeilings, *, refused: bool
) -> None:
    assert bool(scope.violations([found], scope.of(overlay, PIPELINE), ceilings)) is refused


def test_scope_without_a_pipeline_is_the_own_namespace() -> None:
    allowed = scope.of(DEV, None)
    assert not scope.violations([manifest("ConfigMap", "shop-dev")], allowed)
    assert scope.violations([manifest("Namespace")], allowed)


def test_scope_violations_are_refused_together() -> None:
    found = [manifest("Namespace", name=f"n{number}") for number in range(7)]
    refused = rejection(lambda: scope.require(found, scope.of(DEV, PIPELINE)))
    assert refused == ("OutOfScope", "environments/dev/kustomization.yaml")
    with pytest.raises(Exception, match=r"n0 is .*n4 is .*And 2 more"):
        scope.require(found, scope.of(DEV, PIPELINE))


@pytest.mark.parametrize("field", ["serviceAccountName", "serviceAccount"])
@pytest.mark.parametrize(("account", "refused"), [("order", False), ("cluster-admin", True)])
def test_scope_a33_ceiling_on_service_accounts_binds_pods(field: str, account: str, refused: bool) -> None:  # noqa: FBT001 - a table
    spec = {"template": {"spec": {field: account}}}
    body = {"kind": "Deployment", "metadata": {"name": "x", "namespace": "shop-dev"}, "spec": spec}
    found = Manifest(Key("apps", "Deployment", "shop-dev", "x"), body, "")
    ceilings = ScopeCeilings(service_accounts=("default", "order*"))
    assert bool(scope.violations([found], scope.of(DEV, PIPELINE), ceilings)) is refused
