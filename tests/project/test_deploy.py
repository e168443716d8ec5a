"""deploy/ on a real API server: admitted under restricted pod security; its permissions are enough for the whole
example and for nothing more. The control plane is not shared, since the example's namespaces have fixed names.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from kubernetes import client, config, dynamic, watch

from gitops.adapters.kubernetes.ledger import LEDGER_LABEL
from gitops.adapters.kubernetes.state_namespace import unpack
from gitops.config import model as configuration
from gitops.core.health import Health
from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.sync.status import STATUS_JSON, Sync
from gitops.local import config_repo
from gitops.local.cluster import binaries, credentials, prerequisites
from gitops.local.cluster.control_plane import ControlPlane
from tests.example.rendered import ENVIRONMENTS, ROOT, Body, Rendered, build

SYSTEM = "lockstep-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:lockstep"
MANAGER = "administrator"
OVERLAYS = ("platform", *ENVIRONMENTS)


@pytest.fixture(scope="module")
def kustomize() -> Path:
    return binaries.ensure("kustomize")


@pytest.fixture(scope="module")
def deploy(kustomize: Path) -> Rendered:
    return build(kustomize, ROOT / "deploy")


@pytest.fixture(scope="module")
def bindings(kustomize: Path) -> Rendered:
    return build(kustomize, ROOT / "deploy/environments")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), binaries.ensure_all()) as plane:
        prerequisites.apply(plane.kubeconfig)
        yield plane


@pytest.fixture(scope="module")
def cluster(plane: ControlPlane) -> Iterator[dynamic.DynamicClient]:
    with config.new_client_from_config(str(plane.kubeconfig)) as api:
        yield dynamic.DynamicClient(api)


@pytest.fixture(scope="module")
def installed(cluster: dynamic.DynamicClient, deploy: Rendered) -> Rendered:
    for body in deploy.objects:
        _apply(cluster, body)
    return deploy


def test_deploy_configuration_is_valid(deploy: Rendered) -> None:
    [config_map] = deploy.of("ConfigMap").values()
    parsed = configuration.Config.model_validate(yaml.safe_load(config_map["data"]["lockstep.yaml"]))
    assert set(parsed.senders) == {"harbor", "git-host"}
    assert parsed.log.format == "json"


def test_deploy_mounts_files_where_the_configuration_names_them(deploy: Rendered) -> None:
    [config_map] = deploy.of("ConfigMap").values()
    senders = yaml.safe_load(config_map["data"]["lockstep.yaml"])["senders"]
    [container] = _pod_spec(deploy)["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    named = {Path(source["file"]).parent for sender in senders.values() for source in sender["secrets"]}
    assert named == {Path(mounts["webhook-secrets"])}
    credentials = yaml.safe_load(config_map["data"]["lockstep.yaml"])["repo"]["credentials"]
    assert {Path(credentials[name]).parent for name in ("key", "knownHosts")} == {Path(mounts["git"])}
    assert mounts["state"] == str(configuration.Config.model_fields["state"].default)
    volumes = {volume["name"]: volume for volume in _pod_spec(deploy)["volumes"]}
    assert set(volumes) == set(mounts)
    assert volumes["config"]["configMap"]["name"] == config_map["metadata"]["name"]


def test_deploy_contains_no_secret(deploy: Rendered, bindings: Rendered) -> None:
    assert not [body for body in (*deploy.objects, *bindings.objects) if body["kind"] == "Secret"]


def test_deploy_runs_two_replicas_under_restricted_pod_security(
    cluster: dynamic.DynamicClient, installed: Rendered
) -> None:
    apps = client.AppsV1Api(cluster.client)
    available = 0
    for event in watch.Watch().stream(apps.list_namespaced_deployment, SYSTEM, timeout_seconds=60):
        available = event["object"].status.available_replicas or 0
        if available == 2:
            break
    assert available == 2


def test_deploy_services_select_the_pods(cluster: dynamic.DynamicClient, installed: Rendered) -> None:
    [container] = _pod_spec(installed)["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    wanted = yaml.safe_load(next(iter(installed.of("ConfigMap").values()))["data"]["lockstep.yaml"])["listen"]
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == wanted
    labels = installed.of("Deployment")["lockstep"]["spec"]["template"]["metadata"]["labels"]
    for service in installed.of("Service").values():
        assert service["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)


@pytest.fixture(scope="module")
def synced(
    plane: ControlPlane,
    cluster: dynamic.DynamicClient,
    installed: Rendered,
    bindings: Rendered,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Run a controller with the ServiceAccount's token until the whole example is Synced. Returns its directory.

    The platform overlay makes the namespaces. The environments wait for their RoleBindings and then continue.
    """
    directory = tmp_path_factory.mktemp("controller")
    _prepare(plane, cluster, installed, directory)
    with _run_controller(directory) as page:
        _await_namespaces(cluster)
        assert not _list_settled(cluster) & set(ENVIRONMENTS), "nothing may be written before the bindings"
        for body in bindings.objects:
            _apply(cluster, body)
        _await_settled(cluster)
        shown = json.loads(urllib3.request("GET", f"{page}/api/v1/status").data)
        assert shown["controller"]["troubles"] == []
    return directory


@pytest.mark.timeout(240)
def test_deploy_permissions_are_enough_for_the_whole_example(cluster: dynamic.DynamicClient, synced: Path) -> None:
    said = (synced / "controller.log").read_text()
    assert '"log.level": "error"' not in said
    assert "event not stored" not in said
    held = client.CoordinationV1Api(cluster.client).read_namespaced_lease("lockstep", SYSTEM)
    assert held.spec.holder_identity == "", "the Lease is given back at the end"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_way_out_of_operations_md_hands_over_to_kubectl_and_back(
    plane: ControlPlane, cluster: dynamic.DynamicClient, synced: Path, kustomize: Path, tmp_path: Path
) -> None:
    """The script of the page hands over to kubectl, which prunes only what git removed. Then Lockstep adopts again."""
    shutil.copytree(ROOT / "base", tmp_path / "base")
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    quota = tmp_path / "environments/prod/kustomization.yaml"
    quota.write_text(quota.read_text().replace("- quota.yaml\n", ""))
    page = (ROOT / "docs/operations.md").read_text()
    [script] = re.findall(r"```sh\n# way-out: prod in tuling-prod\n(.*?)```", page, re.DOTALL)
    environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "PATH": f"{kustomize.parent}:{os.defpath}",
        "HOME": str(tmp_path),
    }
    before = _list_members(cluster)
    done = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert before - _list_members(cluster) == {"ResourceQuota compute"}
    client.CoreV1Api(cluster.client).delete_namespaced_config_map("lockstep.prod", "tuling-prod")
    with _run_controller(synced):
        for event in watch.Watch().stream(
            client.CoreV1Api(cluster.client).list_namespaced_resource_quota, "tuling-prod", timeout_seconds=60
        ):
            if PART_OF_LABEL in (event["object"].metadata.labels or {}):
                break
        else:
            raise AssertionError("the ResourceQuota was not created again")
        _await_settled(cluster)
    assert _list_members(cluster) == before


ALLOWED = [
    ("delete", "apps", "deployments", "tuling-prod", ""),
    ("patch", "", "services", "tuling-dev", ""),
    ("create", "", "configmaps", "tuling-test", ""),
    ("watch", "apps", "deployments", "", ""),
    ("get", "", "secrets", SYSTEM, "lockstep-installation-key"),
    ("list", "", "pods", "tuling-prod", ""),
]
REFUSED = [
    ("get", "", "secrets", "tuling-prod", ""),
    ("list", "", "secrets", "", ""),
    ("get", "", "secrets", SYSTEM, "lockstep-git"),
    ("delete", "", "persistentvolumeclaims", "tuling-prod", ""),
    ("delete", "", "namespaces", "", "tuling-prod"),
    ("patch", "", "namespaces", "", "kube-system"),
    ("patch", "apps", "deployments", "kube-system", ""),
    ("patch", "apps", "deployments", "default", ""),
    ("create", "", "pods", "tuling-prod", ""),
    ("create", "", "pods/exec", "tuling-prod", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", "", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", "kube-system", "tuling-operator"),
    ("patch", "rbac.authorization.k8s.io", "rolebindings", "tuling-prod", "cluster-admin"),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", "", "lockstep-writer"),
    ("bind", "rbac.authorization.k8s.io", "clusterroles", "", "cluster-admin"),
    ("impersonate", "", "users", "", ""),
    ("create", "", "serviceaccounts/token", SYSTEM, "lockstep"),
    ("delete", "", "configmaps", SYSTEM, ""),
]


@pytest.mark.parametrize("action", [*ALLOWED, *REFUSED], ids=" ".join)
def test_a33_deploy_permissions_allow_no_more_than_needed(
    cluster: dynamic.DynamicClient, installed: Rendered, bindings: Rendered, action: tuple[str, str, str, str, str]
) -> None:
    """The API server answers for each action, with all RoleBindings in place."""
    for namespace in sorted({body["metadata"]["namespace"] for body in bindings.objects}):
        _apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for body in bindings.objects:
        _apply(cluster, body)
    _await_aggregation(cluster, installed)
    assert _is_allowed(cluster, action) is (action in ALLOWED)


def _prepare(plane: ControlPlane, cluster: dynamic.DynamicClient, deploy: Rendered, directory: Path) -> None:
    """Write the configuration of deploy/ into `directory`, with paths and addresses that work outside of a pod."""
    _await_aggregation(cluster, deploy)
    wanted = _make_configuration(deploy, directory)
    wanted["cluster"] = {"kubeconfig": str(_write_kubeconfig(plane, cluster, directory))}
    config_repo.create(ROOT, directory / "config.git")
    (directory / "lockstep.yaml").write_text(json.dumps(wanted))


@contextmanager
def _run_controller(directory: Path) -> Iterator[str]:
    """Run a controller in a process of its own. Yields the address of its status page."""
    file = directory / "lockstep.yaml"
    with (directory / "controller.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "gitops", "run", "-c", str(file)], stderr=log, cwd=ROOT)
    try:
        yield f"http://{json.loads(file.read_text())['listen']['page']}"
    finally:
        process.terminate()
        process.wait(40)


def _make_configuration(deploy: Rendered, directory: Path) -> dict[str, Any]:
    wanted: dict[str, Any] = yaml.safe_load(next(iter(deploy.of("ConfigMap").values()))["data"]["lockstep.yaml"])
    wanted["repo"] = {"url": str(directory / "config.git"), "trunk": wanted["repo"]["trunk"]}
    wanted["state"] = str(directory / "state")
    wanted["kustomize"] = str(binaries.ensure("kustomize"))
    for name in wanted["listen"]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            wanted["listen"][name] = f"127.0.0.1:{probe.getsockname()[1]}"
    for sender in wanted["senders"]:
        (directory / sender).write_text("a-secret-of-this-test")
        wanted["senders"][sender]["secrets"] = [{"file": str(directory / sender)}]
    return wanted


def _write_kubeconfig(plane: ControlPlane, cluster: dynamic.DynamicClient, directory: Path) -> Path:
    """Write a kubeconfig with a token of the ServiceAccount, as a pod has it."""
    core: Any = client.CoreV1Api(cluster.client)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = core.create_namespaced_service_account_token("lockstep", SYSTEM, body).status.token
    target = directory / "kubeconfig"
    certificate = plane.directory / "certificates" / "apiserver.crt"
    server = cluster.client.configuration.host
    credentials.write_kubeconfig(target, server=server, certificate=certificate, token=token)
    return target


def _list_members(cluster: dynamic.DynamicClient) -> set[str]:
    """List members of ApplySets in prod, of some kinds, as `Kind name`."""
    kinds = [
        ("v1", "ResourceQuota"),
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
        ("policy/v1", "PodDisruptionBudget"),
    ]
    found = [
        cluster.resources.get(api_version=version, kind=kind).get(namespace="tuling-prod", label_selector=PART_OF_LABEL)
        for version, kind in kinds
    ]
    return {f"{kind} {item.metadata.name}" for (_, kind), each in zip(kinds, found, strict=True) for item in each.items}


def _await_namespaces(cluster: dynamic.DynamicClient) -> None:
    missing = {f"tuling-{name}" for name in ENVIRONMENTS}
    for event in watch.Watch().stream(client.CoreV1Api(cluster.client).list_namespace, timeout_seconds=60):
        missing.discard(event["object"].metadata.name)
        if not missing:
            return
    raise AssertionError(f"namespaces that were not created: {missing}")


def _await_settled(cluster: dynamic.DynamicClient) -> None:
    """Wait until the ledgers have every overlay as Synced and Healthy."""
    core = client.CoreV1Api(cluster.client)
    for _ in watch.Watch().stream(core.list_namespaced_config_map, SYSTEM, timeout_seconds=100):
        if _list_settled(cluster) == set(OVERLAYS):
            return
    raise AssertionError(f"Synced and Healthy are only {_list_settled(cluster)}")


def _list_settled(cluster: dynamic.DynamicClient) -> set[str]:
    ledgers = client.CoreV1Api(cluster.client).list_namespaced_config_map(SYSTEM, label_selector=LEDGER_LABEL).items
    statuses = [STATUS_JSON.validate_json(unpack(found.data["status"])) for found in ledgers]
    return {each.overlay for each in statuses if (each.sync, each.health) == (Sync.SYNCED, Health.HEALTHY)}


def _await_aggregation(cluster: dynamic.DynamicClient, deploy: Rendered) -> None:
    """Wait until Kubernetes has filled in the rules of aggregated ClusterRoles."""
    parts = [role for role in deploy.of("ClusterRole").values() if role["metadata"].get("labels")]
    wanted = {
        label.removeprefix("lockstep.gitops/aggregate-to-"): 0 for role in parts for label in role["metadata"]["labels"]
    }
    for role in parts:
        for label in role["metadata"]["labels"]:
            wanted[label.removeprefix("lockstep.gitops/aggregate-to-")] += len(role["rules"])
    missing = {f"lockstep-{name}": count for name, count in wanted.items()}
    roles = client.RbacAuthorizationV1Api(cluster.client)
    for event in watch.Watch().stream(roles.list_cluster_role, timeout_seconds=30):
        role = event["object"]
        if len(role.rules or ()) == missing.get(role.metadata.name, -1):
            del missing[role.metadata.name]
        if not missing:
            return
    raise AssertionError(f"ClusterRoles that were not aggregated: {missing}")


def _is_allowed(cluster: dynamic.DynamicClient, action: tuple[str, str, str, str, str]) -> bool:
    verb, group, resource, namespace, name = action
    resource, _, subresource = resource.partition("/")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": namespace,
        "name": name,
    }
    spec = {
        "user": ACCOUNT,
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"],
        "resourceAttributes": attributes,
    }
    reviews: Any = client.AuthorizationV1Api(cluster.client)
    return bool(reviews.create_subject_access_review({"spec": spec}).status.allowed)


def _apply(cluster: dynamic.DynamicClient, body: Body) -> Mapping[str, Any]:
    """Apply by server-side apply. An unknown or doubled field is an error."""
    resource = cluster.resources.get(api_version=body["apiVersion"], kind=body["kind"])
    answer = cluster.request(
        "patch",
        resource.path(name=body["metadata"]["name"], namespace=body["metadata"].get("namespace")),
        body=dict(body),
        query_params=[("fieldManager", MANAGER), ("fieldValidation", "Strict")],
        content_type="application/apply-patch+yaml",
        serialize=False,
    )
    return dict(json.loads(answer.data))


def _pod_spec(deploy: Rendered) -> dict[str, Any]:
    spec: dict[str, Any] = deploy.of("Deployment")["lockstep"]["spec"]["template"]["spec"]
    return spec
