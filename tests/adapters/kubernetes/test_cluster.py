"""The cluster adapter on a real API server: server-side apply, field ownership, preconditions, errors of kinds."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from gitops.core.errors import Conflict, GitopsError, Rejected, Unavailable
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Body, Key
from gitops.core.ownership import field_ownership, live_object
from gitops.ports import NOWHERE
from tests.worlds.control_plane import SharedControlPlane
from tests.worlds.kubernetes import (
    MANAGER,
    KubernetesWorld,
    config_map,
    deployment,
    eventually,
    manifest,
    refusal,
    secret,
)

CANARY = "s3cr3t-canary-4711"


@pytest.fixture
def namespace(control_plane: SharedControlPlane) -> str:
    return control_plane.namespace("cluster")


def version_of(body: Body) -> str:
    return str(body["metadata"]["resourceVersion"])


def fingerprint(body: Body) -> str:
    return field_ownership.fingerprint(body, MANAGER)


def read(kubernetes_world: KubernetesWorld, wanted: Manifest) -> Body:
    body = kubernetes_world.cluster.read(wanted.key, wanted.version)
    assert body is not None
    return body


def test_apply_of_the_same_manifest_changes_nothing(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    wanted = config_map("settings", namespace, {"a": "1"})
    first = kubernetes_world.cluster.apply(wanted, "")
    again = kubernetes_world.cluster.apply(wanted, version_of(first))
    assert version_of(again) == version_of(first)
    assert fingerprint(again) == fingerprint(first) != ""


def test_preview_shows_the_result_and_changes_nothing(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    before = kubernetes_world.cluster.apply(config_map("settings", namespace, {"a": "1"}), "")
    wanted = config_map("settings", namespace, {"a": "2"})
    assert kubernetes_world.cluster.preview(wanted, version_of(before))["data"] == {"a": "2"}
    assert read(kubernetes_world, wanted) == before


def test_ownership_of_a_field_is_lost_by_another_manager_s_edit(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    wanted = config_map("settings", namespace, {"a": "1", "b": "1"})
    ours = fingerprint(kubernetes_world.cluster.apply(wanted, ""))
    kubernetes_world.edit("settings", namespace, {"a": "2"})
    edited = read(kubernetes_world, wanted)
    assert fingerprint(edited) != ours
    assert "/data/a" not in field_ownership.owned_fields(edited, MANAGER)
    healed = kubernetes_world.cluster.apply(wanted, version_of(edited))
    assert healed["data"] == {"a": "1", "b": "1"}
    assert fingerprint(healed) == ours


def test_ownership_of_a_removed_field_returns_with_the_next_apply(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    wanted = config_map("settings", namespace, {"a": "1", "b": "1"})
    ours = fingerprint(kubernetes_world.cluster.apply(wanted, ""))
    kubernetes_world.edit("settings", namespace, {"a": None})
    assert fingerprint(read(kubernetes_world, wanted)) != ours
    assert fingerprint(kubernetes_world.cluster.apply(wanted, "")) == ours


def test_ownership_of_a_field_that_another_manager_added_stays_there(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    wanted = config_map("settings", namespace, {"a": "1"})
    kubernetes_world.cluster.apply(wanted, "")
    kubernetes_world.edit("settings", namespace, {"DEBUG": "1"})
    after = kubernetes_world.cluster.apply(wanted, "")
    assert after["data"] == {"a": "1", "DEBUG": "1"}
    foreign = live_object.observe(after, MANAGER).foreign
    assert [(each.field, each.manager) for each in foreign] == [("/data/DEBUG", "console")]


def test_status_written_by_a_controller_is_no_drift(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    wanted = deployment("order", namespace)
    before = kubernetes_world.cluster.apply(wanted, "")
    client.AppsV1Api(kubernetes_world.console).patch_namespaced_deployment_status(
        "order", namespace, {"status": {"observedGeneration": 77}}, field_manager="some-controller"
    )
    after = read(kubernetes_world, wanted)
    assert version_of(after) != version_of(before)
    assert fingerprint(after) == fingerprint(before)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_apply_with_an_outdated_resource_version_is_a_conflict(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    planned_from = kubernetes_world.cluster.apply(config_map("settings", namespace, {"a": "1"}), "")
    kubernetes_world.edit("settings", namespace, {"a": "2"})
    wanted = config_map("settings", namespace, {"a": "3"})
    with pytest.raises(Conflict):
        kubernetes_world.cluster.apply(wanted, version_of(planned_from))
    with pytest.raises(Conflict):
        kubernetes_world.cluster.preview(wanted, version_of(planned_from))
    assert read(kubernetes_world, wanted)["data"] == {"a": "2"}


def test_apply_creates_an_object_that_was_deleted(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    """The API server compares resourceVersions of existing objects only."""
    wanted = config_map("settings", namespace, {"a": "1"})
    planned_from = kubernetes_world.cluster.apply(wanted, "")
    client.CoreV1Api(kubernetes_world.console).delete_namespaced_config_map("settings", namespace)
    created = kubernetes_world.cluster.apply(wanted, version_of(planned_from))
    assert created["metadata"]["uid"] != planned_from["metadata"]["uid"]


def test_apply_that_creates_never_takes_over_an_existing_object(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    """An existing object has another resourceVersion than NOWHERE. This holds for each storage of the API server."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "order", "namespace": namespace},
        "spec": {"selector": {"app": "order"}, "ports": [{"port": 80}]},
    }
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-made"}}
    bodies = (config_map("settings", namespace, {"a": "1"}), deployment("order", namespace))
    for wanted in (*bodies, manifest(service), manifest(home)):
        kubernetes_world.cluster.apply(wanted, NOWHERE)
        metadata = {**wanted.body["metadata"], "labels": {"taken": "over"}}
        with pytest.raises(Conflict):
            kubernetes_world.cluster.apply(manifest({**wanted.body, "metadata": metadata}), NOWHERE)
        assert "taken" not in (read(kubernetes_world, wanted)["metadata"].get("labels") or {})


def test_delete_needs_the_right_uid(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    wanted = config_map("settings", namespace, {"a": "1"})
    uid = kubernetes_world.cluster.apply(wanted, "")["metadata"]["uid"]
    with pytest.raises(Conflict):
        kubernetes_world.cluster.delete(wanted.key, "v1", uid="00000000-0000-0000-0000-000000000000")
    assert read(kubernetes_world, wanted)["metadata"]["uid"] == uid
    kubernetes_world.cluster.delete(wanted.key, "v1", uid=uid)
    assert kubernetes_world.cluster.read(wanted.key, "v1") is None
    kubernetes_world.cluster.delete(wanted.key, "v1", uid=uid)


def test_kind_scope_is_read_from_the_server(kubernetes_world: KubernetesWorld) -> None:
    assert kubernetes_world.cluster.is_namespaced(("apps/v1", "Deployment"))
    assert not kubernetes_world.cluster.is_namespaced(("v1", "Namespace"))


@pytest.mark.parametrize("kind", [("nowhere.example/v1", "Thing"), ("apps/v1", "Thing"), ("apps/v9", "Deployment")])
def test_kind_that_is_not_served_is_an_error_that_names_it(
    kubernetes_world: KubernetesWorld, kind: tuple[str, str]
) -> None:
    with pytest.raises(Rejected, match=kind[1]) as caught:
        kubernetes_world.cluster.is_namespaced(kind)
    assert caught.value.reason == "NoMatches"


def test_kind_is_known_exactly_while_its_crd_is_served(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    group = f"{namespace}.example"
    definition = manifest(_definition(group))
    assert not _is_served(kubernetes_world, group)
    kubernetes_world.cluster.apply(definition, "")
    eventually(lambda: _is_served(kubernetes_world, group))
    thing = manifest({"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": namespace}})
    assert kubernetes_world.cluster.apply(thing, "")["kind"] == "Thing"
    kubernetes_world.cluster.delete(definition.key, "v1", uid=read(kubernetes_world, definition)["metadata"]["uid"])
    eventually(lambda: kubernetes_world.cluster.read(definition.key, "v1") is None)
    eventually(lambda: refusal(lambda: kubernetes_world.cluster.preview(thing, "")).reason == "NoMatches")
    assert not _is_served(kubernetes_world, group)


def _definition(group: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _is_served(kubernetes_world: KubernetesWorld, group: str) -> bool:
    """Ask if the kind is served: some milliseconds after the CRD is Established. The adapter asks again each time."""
    try:
        return kubernetes_world.cluster.is_namespaced((f"{group}/v1", "Thing"))
    except Rejected:
        return False


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"data": {"a": {"deep": CANARY}}}, ".data.a"),
        ({"dota": {}}, ".dota"),
        ({"data": {"not a key": "1"}}, "data"),
    ],
    ids=["wrong type", "unknown field", "invalid"],
)
def test_apply_of_an_invalid_manifest_names_the_field(
    kubernetes_world: KubernetesWorld, namespace: str, wanted: Any, said: str
) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace}, **wanted}
    with pytest.raises(Rejected, match=f"(?s)ConfigMap {namespace}/settings.*{said}") as caught:
        kubernetes_world.cluster.apply(manifest(body), "")
    assert caught.value.reason == "Invalid"
    assert CANARY not in str(caught.value)


def test_apply_to_a_missing_namespace_is_not_found(kubernetes_world: KubernetesWorld) -> None:
    with pytest.raises(Rejected, match="nowhere") as caught:
        kubernetes_world.cluster.apply(config_map("settings", "nowhere", {}), "")
    assert caught.value.reason == "NotFound"


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"password": CANARY + "!!"}},
        {"stringData": {"password": {CANARY: 1}}},
        {"data": {CANARY + " ": "YQ=="}},
        {"stringData": {"password": CANARY}, "type": "kubernetes.io/tls"},
        {CANARY: CANARY},
    ],
    ids=["base64", "type", "key", "kind of secret", "field"],
)
def test_secret_that_is_refused_is_not_shown_in_the_error(
    kubernetes_world: KubernetesWorld, namespace: str, content: dict[str, Any]
) -> None:
    with pytest.raises(Rejected) as caught:
        kubernetes_world.cluster.apply(secret("login", namespace, **content), "")
    assert_silent(caught.value)


def test_secret_that_an_admission_policy_quotes_is_not_shown_in_the_error(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    """The admission policy quotes the object in its message, as people write policies to debug."""
    _refuse_and_quote_secrets(kubernetes_world, namespace)
    refused = secret("login", namespace, stringData={"password": CANARY})
    error = refusal(lambda: kubernetes_world.cluster.apply(refused, ""))
    assert error.reason == "Invalid"
    assert_silent(error)


def _refuse_and_quote_secrets(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    name = f"quote.{namespace}"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    validation = {"expression": "false", "messageExpression": "'no: ' + string(object.data.password)"}
    for kind, spec in (
        (
            "ValidatingAdmissionPolicy",
            {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": rules, "namespaceSelector": selector},
                "validations": [validation],
            },
        ),
        ("ValidatingAdmissionPolicyBinding", {"policyName": name, "validationActions": ["Deny"]}),
    ):
        api_version = "admissionregistration.k8s.io/v1"
        kubernetes_world.cluster.apply(
            manifest({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}), ""
        )


def assert_silent(error: GitopsError) -> None:
    chain: BaseException | None = error
    while chain is not None:
        assert CANARY not in str(chain)
        chain = chain.__cause__ or chain.__context__


def test_apply_refused_by_an_immutable_field_does_not_dump_it(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    kubernetes_world.cluster.apply(_job(namespace, "old"), "")
    with pytest.raises(Rejected, match=r"spec.template: Invalid value: …: field is immutable") as caught:
        kubernetes_world.cluster.apply(_job(namespace, CANARY), "")
    assert CANARY not in str(caught.value)


def _job(namespace: str, value: str) -> Manifest:
    container = {"name": "app", "image": "registry.example/job:1", "env": [{"name": "PASSWORD", "value": value}]}
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    metadata = {"name": "migrate", "namespace": namespace}
    return manifest({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})


def test_apply_to_a_terminating_namespace_is_unavailable(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    core = client.CoreV1Api(kubernetes_world.console)
    held = {"metadata": {"name": "held", "finalizers": ["test.example/hold"]}}
    core.create_namespaced_config_map(namespace, held)
    core.delete_namespace(namespace)
    try:
        with pytest.raises(Unavailable, match="being terminated"):
            kubernetes_world.cluster.apply(config_map("settings", namespace, {}), "")
    finally:
        core.patch_namespaced_config_map("held", namespace, {"metadata": {"finalizers": None}})


def test_apply_with_a_silent_admission_webhook_is_unavailable(
    kubernetes_world: KubernetesWorld, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}]
    webhook = {
        "name": "down.test.example",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    kubernetes_world.cluster.apply(
        manifest({**kind, "metadata": {"name": f"down.{namespace}"}, "webhooks": [webhook]}), ""
    )
    error = refusal(lambda: kubernetes_world.cluster.apply(config_map("settings", namespace, {}), ""))
    assert isinstance(error, Unavailable)
    assert "failed calling webhook" in error.message


def test_references_are_those_of_pods_and_live_workloads(kubernetes_world: KubernetesWorld, namespace: str) -> None:
    client.CoreV1Api(kubernetes_world.console).create_namespaced_pod(
        namespace,
        {
            "metadata": {"name": "runs"},
            "spec": {
                "containers": [{"name": "app", "image": "a", "envFrom": [{"secretRef": {"name": "of-pod"}}]}],
                "volumes": [{"name": "v", "configMap": {"name": "mounted"}}],
            },
        },
    )
    kubernetes_world.cluster.apply(
        manifest({**_job(namespace, "x").body, "spec": {"suspend": True, **_with_env("of-job")}}),
        "",
    )
    assert set(kubernetes_world.cluster.references(namespace)) == {
        Key("", "Secret", namespace, "of-pod"),
        Key("", "ConfigMap", namespace, "mounted"),
        Key("", "ConfigMap", namespace, "kube-root-ca.crt"),  # of the token volume that every pod has
        Key("", "ConfigMap", namespace, "of-job"),
    }


def _with_env(config_map_name: str) -> dict[str, Any]:
    container = {"name": "app", "image": "a", "envFrom": [{"configMapRef": {"name": config_map_name}}]}
    return {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}


def test_token_is_read_again_when_the_old_one_is_refused(control_plane: SharedControlPlane, tmp_path: Path) -> None:
    rotated = tmp_path / "kubeconfig"
    content = json.loads(control_plane.kubeconfig.read_text())
    token, content["users"][0]["user"]["token"] = content["users"][0]["user"]["token"], "expired"
    rotated.write_text(json.dumps(content))
    kubernetes_world = KubernetesWorld.of(rotated, control_plane.api)
    with pytest.raises(Unavailable) as caught:
        kubernetes_world.cluster.is_namespaced(("v1", "Namespace"))
    assert caught.value.reason == "Unauthorized"
    shutil.copy(control_plane.kubeconfig, rotated)
    assert not kubernetes_world.cluster.is_namespaced(("v1", "Namespace"))
    assert token not in str(caught.value)
    kubernetes_world.api.close()
