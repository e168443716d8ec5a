import json

import pytest

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Rejected
from gitops.core.manifests import manifest as manifests
from gitops.core.manifests import scope
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.sync import apply_order
from tests.worlds.rejections import rejection

DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
PLATFORM = Overlay("platform", "platform", "base/platform", "")
RENDERED = "environments/dev (rendered)"
CLUSTER_SCOPED = {"Namespace", "ClusterRole", "CustomResourceDefinition"}
KEY = b"installation"


def is_namespaced(kind: tuple[str, str]) -> bool:
    if kind[0].startswith("unknown/"):
        raise Rejected("NoMatches", f"the server does not serve {kind[0]} {kind[1]}")
    return kind[1] not in CLUSTER_SCOPED


def parse(text: str, overlay: Overlay = DEV) -> tuple[Manifest, ...]:
    return manifests.parse(text.encode(), overlay, is_namespaced, secret_key=KEY)


def obj(kind: str, name: str, rest: str = "", *, api: str = "v1", metadata: str = "") -> str:
    return f"---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}{metadata}}}\n{rest}\n"


def test_manifest_without_a_namespace_gets_that_of_the_overlay() -> None:
    found = parse(obj("ConfigMap", "a") + obj("ConfigMap", "b", metadata=", namespace: other") + obj("Namespace", "ns"))
    assert [manifest.key for manifest in found] == [
        Key("", "ConfigMap", "shop-dev", "a"),
        Key("", "ConfigMap", "other", "b"),
        Key("", "Namespace", "", "ns"),
    ]
    assert found[0].body["metadata"]["namespace"] == "shop-dev"


def test_manifest_of_a_cluster_scoped_object_loses_its_namespace() -> None:
    # kustomize's namespace transformer cannot know the scope of custom kinds
    (found,) = parse(obj("ClusterRole", "r", metadata=", namespace: shop-dev", api="rbac.authorization.k8s.io/v1"))
    assert found.key.namespace == ""
    assert "namespace" not in found.body["metadata"]


def test_manifest_of_a_kind_that_the_same_render_defines() -> None:
    crd = "spec: {group: unknown, scope: Cluster, names: {kind: Thing}}"
    text = obj("CustomResourceDefinition", "things.unknown", crd, api="apiextensions.k8s.io/v1")
    found = parse(text + obj("Thing", "t", api="unknown/v1"))
    assert found[1].key == Key("unknown", "Thing", "", "t")


def test_manifest_a33_scope_of_a_served_kind_is_the_clusters() -> None:
    """Else a ClusterRole would lie in the overlay's namespace for the scope, and in none for the API server."""
    crd = "spec: {group: rbac.authorization.k8s.io, scope: Namespaced, names: {kind: ClusterRole}}"
    text = obj("CustomResourceDefinition", "x", crd, api="apiextensions.k8s.io/v1")
    found = parse(text + obj("ClusterRole", "r", api="rbac.authorization.k8s.io/v1"))
    assert found[1].key == Key("rbac.authorization.k8s.io", "ClusterRole", "", "r")


def test_manifest_a33_list_in_a_list_hides_nothing() -> None:
    hidden = "{apiVersion: v1, kind: Namespace, metadata: {name: other}}"
    text = f"{{apiVersion: v1, kind: List, items: [{{apiVersion: v1, kind: NamespaceList, items: [{hidden}]}}]}}"
    allowed = scope.of(DEV, None)
    (violation,) = scope.violations(parse(text), allowed)
    assert "Namespace other is cluster-scoped" in str(violation)
    deep = f"{{kind: List, items: [{'{kind: List, items: [' * 5}{hidden}{']}' * 5}]}}"
    assert rejection(lambda: parse(deep)) == ("InvalidManifest", f"{RENDERED}:1")


def test_manifest_a33_lists_are_expanded() -> None:
    inner = "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: s}}]}"
    first = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
    found = parse(f"apiVersion: v1\nkind: ConfigMapList\nitems: [{first}, {inner}]")
    assert [manifest.key.kind for manifest in found] == ["ConfigMap", "Secret"]


@pytest.mark.parametrize(
    ("text", "expected", "said"),
    [
        ("", ("EmptyRender", "environments/dev/kustomization.yaml"), "no object"),
        ("---\n---\n", ("EmptyRender", "environments/dev/kustomization.yaml"), "no object"),
        (obj("A", "a") + "---\n- 1", ("InvalidManifest", f"{RENDERED}:7"), "not an object"),
        ("kind: A\nmetadata: {name: a}", ("InvalidManifest", f"{RENDERED}:1"), "A a has no apiVersion"),
        ("apiVersion: v1\nmetadata: {name: a}", ("InvalidManifest", f"{RENDERED}:1"), "has no kind"),
        ("apiVersion: v1\nkind: A", ("InvalidManifest", f"{RENDERED}:1"), "A (without a name) has no metadata.name"),
        (obj("A", "1"), ("InvalidManifest", f"{RENDERED}:2"), "no metadata.name"),
        (obj("A", "''"), ("InvalidManifest", f"{RENDERED}:2"), "no metadata.name"),
        (obj("A", "a", metadata=", generateName: b-"), ("InvalidManifest", f"{RENDERED}:2"), "generateName"),
        (obj("A", "a", metadata=", uid: b"), ("InvalidManifest", f"{RENDERED}:2"), "metadata.uid"),
        (obj("A", "a", metadata=", labels: x"), ("InvalidManifest", f"{RENDERED}:2"), "labels"),
        (obj("A", "a", metadata=", annotations: x"), ("InvalidManifest", f"{RENDERED}:2"), "annotations"),
        (obj("A", "a", metadata=", annotations: [x]"), ("InvalidManifest", f"{RENDERED}:2"), "annotations"),
        (obj("A", "a") + obj("A", "a"), ("DuplicateObject", f"{RENDERED}:7"), "A shop-dev/a is rendered twice"),
        (obj("A", "a", api="unknown/v1"), ("NoMatches", "environments/dev/kustomization.yaml"), "A a: the server"),
        ("a: [", ("InvalidYaml", f"{RENDERED}:2"), "not YAML"),
    ],
)
def test_manifest_a33_a36_refusals(text: str, expected: tuple[str, str], said: str) -> None:
    assert rejection(lambda: parse(text)) == expected
    with pytest.raises(Rejected, match=said.replace("(", r"\(").replace(")", r"\)")):
        parse(text)


def test_manifest_of_the_platform_needs_a_namespace() -> None:
    assert rejection(lambda: parse(obj("ConfigMap", "a"), PLATFORM))[0] == "InvalidManifest"


def test_manifest_hash_does_not_depend_on_the_order_of_fields() -> None:
    one = parse("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '1', b: '2'}")
    two = parse("kind: ConfigMap\ndata: {b: '2', a: '1'}\nmetadata: {name: a, namespace: shop-dev}\napiVersion: v1")
    three = parse("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '1', b: '3'}")
    assert one[0].hash == two[0].hash != three[0].hash


def test_manifest_a41_hash_of_a_secret_depends_on_the_installation() -> None:
    text = obj("Secret", "s", "stringData: {password: x}").encode()
    hashes = {manifests.parse(text, DEV, is_namespaced, secret_key=key)[0].hash for key in (b"one", b"two")}
    assert len(hashes) == 2


def test_manifest_with_part_of_keeps_the_other_labels_and_hashes_the_result() -> None:
    (before,) = parse(obj("ConfigMap", "a", metadata=", labels: {app: a}"))
    after = manifests.with_part_of(before, "applyset-x-v1", secret_key=KEY)
    assert after.body["metadata"]["labels"] == {"app": "a", PART_OF_LABEL: "applyset-x-v1"}
    assert before.body["metadata"]["labels"] == {"app": "a"}
    assert after.hash == manifests.body_hash(json.loads(json.dumps(after.body)), KEY) != before.hash


WEB = obj("Deployment", "web", "spec: {replicas: 3}", api="apps/v1")
WORKER = obj("Deployment", "worker", "spec: {replicas: 3}", api="apps/v1")


HPA = "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}"
KEDA = "spec: {scaleTargetRef: {name: web}}"


@pytest.mark.parametrize(
    "scaler",
    [
        obj("HorizontalPodAutoscaler", "x", HPA, api="autoscaling/v2"),
        obj("ScaledObject", "x", KEDA, api="keda.sh/v1alpha1"),
    ],
)
def test_manifest_loses_replicas_that_an_autoscaler_owns(scaler: str) -> None:
    kept, scaled = manifests.without_owned_replicas(parse(WEB + WORKER + scaler))
    assert scaled == {Key("apps", "Deployment", "shop-dev", "web")}
    assert [manifest.body["spec"].get("replicas") for manifest in kept[:2]] == [None, 3]
    assert kept[0].hash != parse(WEB)[0].hash


def test_manifest_keeps_replicas_of_an_autoscaler_in_another_namespace() -> None:
    scaler = obj(
        "ScaledObject", "x", "spec: {scaleTargetRef: {name: web}}", api="keda.sh/v1", metadata=", namespace: o"
    )
    assert manifests.without_owned_replicas(parse(WEB + scaler))[1] == frozenset()


def test_manifest_hash_does_not_depend_on_live_replicas() -> None:
    (web,) = parse(WEB)
    other = manifests.with_replicas(web, 7)
    assert (other.body["spec"]["replicas"], other.hash) == (7, web.hash)


@pytest.mark.parametrize(
    ("annotations", "disabled"),
    [
        ("lockstep.gitops/prune: disabled", True),
        ("kustomize.toolkit.fluxcd.io/prune: Disabled", True),
        ("argocd.argoproj.io/sync-options: 'Validate=false, Prune=false'", True),
        ("argocd.argoproj.io/sync-options: Prune=true", False),
        ("other: disabled", False),
    ],
)
def test_manifest_a35_annotations_that_disable_pruning(annotations: str, *, disabled: bool) -> None:
    (found,) = parse(obj("ConfigMap", "a", metadata=f", annotations: {{{annotations}}}"))
    assert manifests.is_prune_disabled(found.body) is disabled


STEERING = (
    "argocd.argoproj.io/sync-options: 'Force=true,Replace=true,ServerSideApply=false'",
    "argocd.argoproj.io/compare-options: IgnoreExtraneous",
    "kustomize.toolkit.fluxcd.io/force: enabled",
    "kustomize.toolkit.fluxcd.io/reconcile: disabled",
    "kustomize.toolkit.fluxcd.io/ssa: Ignore",
    "lockstep.gitops/force: 'true'",
    "lockstep.gitops/requested-at: '2026-11-26T00:00:00Z'",
    "kapp.k14s.io/delete-strategy: orphan",
)


@pytest.mark.parametrize("annotation", STEERING)
def test_manifest_a35_no_annotation_forces_replaces_or_ignores(annotation: str) -> None:
    """They are data: no rule asks for them. Only waves and `prune: disabled` are heard, of an object's own."""
    (found,) = parse(obj("ConfigMap", "a", metadata=f", annotations: {{{annotation}}}"))
    assert not manifests.is_prune_disabled(found.body)
    assert apply_order.wave(found.body) == 0
    assert not scope.violations([found], scope.of(DEV, None))


@pytest.mark.parametrize("wave", ["x", "1.5", "''", "0x10"])
def test_manifest_a35_wave_is_a_number_or_an_error(wave: str) -> None:
    (found,) = parse(obj("ConfigMap", "a", metadata=f', annotations: {{lockstep.gitops/sync-wave: "{wave}"}}'))
    with pytest.raises(Rejected) as caught:
        apply_order.wave(found.body)
    assert caught.value.reason == "InvalidAnnotation"
