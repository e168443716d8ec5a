"""deploy/ on a real API server: accepted, admitted under restricted pod security, and its permissions are enough for
the whole example and for nothing more. A control plane of its own, since the example's namespaces are the cluster's.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config, dynamic, watch

from gitops import config as configuration
from gitops.local import binaries, config_repo, credentials, furnish, processes
from gitops.local.control_plane import ControlPlane
from gitops.local.page import Page, Report
from tests.e2e.harness import Ports
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
        furnish.furnish(plane.kubeconfig)
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


def test_the_configuration_is_valid(deploy: Rendered) -> None:
    [config_map] = deploy.of("ConfigMap").values()
    parsed = configuration.Config.model_validate(yaml.safe_load(config_map["data"]["lockstep.yaml"]))
    assert set(parsed.senders) == {"harbor", "git-host"}
    assert parsed.log.format == "json"


def test_what_is_mounted_where_the_configuration_looks(deploy: Rendered) -> None:
    [config_map] = deploy.of("ConfigMap").values()
    senders = yaml.safe_load(config_map["data"]["lockstep.yaml"])["senders"]
    [container] = _pod_spec(deploy)["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    named = {Path(source["file"]).parent for sender in senders.values() for source in sender["secrets"]}
    assert named == {Path(mounts["webhook-secrets"])}
    assert mounts["state"] == str(configuration.Config.model_fields["state"].default)
    volumes = {volume["name"]: volume for volume in _pod_spec(deploy)["volumes"]}
    assert set(volumes) == set(mounts)
    assert volumes["config"]["configMap"]["name"] == config_map["metadata"]["name"]


def test_no_value_of_a_secret_stands_in_it(deploy: Rendered, bindings: Rendered) -> None:
    assert not [body for body in (*deploy.objects, *bindings.objects) if body["kind"] == "Secret"]


def test_two_replicas_are_admitted_under_restricted_pod_security(
    cluster: dynamic.DynamicClient, installed: Rendered
) -> None:
    apps = client.AppsV1Api(cluster.client)
    available = 0
    for event in watch.Watch().stream(apps.list_namespaced_deployment, SYSTEM, timeout_seconds=60):
        available = event["object"].status.available_replicas or 0
        if available == 2:
            break
    assert available == 2


def test_services_reach_the_pods(cluster: dynamic.DynamicClient, installed: Rendered) -> None:
    [container] = _pod_spec(installed)["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    wanted = yaml.safe_load(next(iter(installed.of("ConfigMap").values()))["data"]["lockstep.yaml"])["listen"]
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == wanted
    labels = installed.of("Deployment")["lockstep"]["spec"]["template"]["metadata"]["labels"]
    for service in installed.of("Service").values():
        assert service["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)


@pytest.mark.timeout(240)
def test_its_permissions_are_enough_for_the_whole_example(
    plane: ControlPlane, cluster: dynamic.DynamicClient, installed: Rendered, bindings: Rendered, tmp_path: Path
) -> None:
    """The controller with the ServiceAccount's token: the platform makes the namespaces, the environments wait for
    their bindings and go on by themselves.
    """
    page, controller = _start(plane, cluster, installed, tmp_path)
    try:
        report = _until(page, lambda report: _settled(report) >= {"platform"} or _has_namespaces(cluster), "namespaces")
        assert not _settled(report) & set(ENVIRONMENTS), "nothing may be written before the bindings"
        for body in bindings.objects:
            _apply(cluster, body)
        report = _until(page, lambda report: _settled(report) == set(OVERLAYS), "all overlays")
        assert report.troubles == ()
    finally:
        controller.terminate()
        controller.wait(30)
    said = (tmp_path / "controller.log").read_text()
    assert '"log.level": "error"' not in said
    held = client.CoordinationV1Api(cluster.client).read_namespaced_lease("lockstep", SYSTEM)
    assert held.spec.holder_identity == "", "the Lease is given back at the end"
    assert "event not stored" not in said


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
def test_who_may_what(
    cluster: dynamic.DynamicClient, installed: Rendered, bindings: Rendered, action: tuple[str, str, str, str, str]
) -> None:
    """Asked of the API server itself, with everything bound."""
    for namespace in sorted({body["metadata"]["namespace"] for body in bindings.objects}):
        _apply(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for body in bindings.objects:
        _apply(cluster, body)
    _await_aggregation(cluster, installed)
    assert _may(cluster, action) is (action in ALLOWED)


def _start(
    plane: ControlPlane, cluster: dynamic.DynamicClient, deploy: Rendered, directory: Path
) -> tuple[Page, "subprocess.Popen[bytes]"]:
    """The controller with the configuration of deploy/, but for what only a pod has: addresses, mounts, an ssh host."""
    _await_aggregation(cluster, deploy)
    repository = directory / "config.git"
    config_repo.create(ROOT, repository)
    ports = Ports.free()
    wanted = yaml.safe_load(next(iter(deploy.of("ConfigMap").values()))["data"]["lockstep.yaml"])
    wanted["repo"]["url"] = str(repository)
    wanted["listen"] = {name: f"127.0.0.1:{getattr(ports, name)}" for name in ("webhooks", "page", "metrics")}
    for sender in wanted["senders"]:
        secret = directory / sender
        secret.write_text("a-secret-of-this-test")
        wanted["senders"][sender]["secrets"] = [{"file": str(secret)}]
    wanted |= {
        "state": str(directory / "state"),
        "kustomize": str(binaries.ensure("kustomize")),
        "cluster": {"kubeconfig": str(_kubeconfig(plane, cluster, directory))},
    }
    file = directory / "lockstep.yaml"
    file.write_text(json.dumps(wanted))
    with (directory / "controller.log").open("wb") as log:
        command = [sys.executable, "-m", "gitops", "run", "--config", str(file)]
        process = subprocess.Popen(command, stderr=log, cwd=ROOT)
    identity = processes.identify(process.pid)
    assert identity is not None
    return Page(f"http://127.0.0.1:{ports.page}", identity), process


def _kubeconfig(plane: ControlPlane, cluster: dynamic.DynamicClient, directory: Path) -> Path:
    """With a token of the ServiceAccount, as a pod has it."""
    core: Any = client.CoreV1Api(cluster.client)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = core.create_namespaced_service_account_token("lockstep", SYSTEM, body).status.token
    target = directory / "kubeconfig"
    certificate = plane.directory / "certificates" / "apiserver.crt"
    server = cluster.client.configuration.host
    credentials.write_kubeconfig(target, server=server, certificate=certificate, token=token)
    return target


def _until(page: Page, is_so: Any, what: str) -> Report:
    last = None
    for report in page.follow(100):
        last = report
        if is_so(report):
            return report
    raise AssertionError(f"{what}: {last}")


def _settled(report: Report) -> set[str]:
    return {name for name, overlay in report.overlays.items() if overlay.is_settled}


def _has_namespaces(cluster: dynamic.DynamicClient) -> bool:
    found = client.CoreV1Api(cluster.client).list_namespace().items
    return {f"tuling-{name}" for name in ENVIRONMENTS} <= {each.metadata.name for each in found}


def _await_aggregation(cluster: dynamic.DynamicClient, deploy: Rendered) -> None:
    """The cluster's own controller fills in the rules of aggregated roles."""
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
    raise AssertionError(f"never aggregated: {missing}")


def _may(cluster: dynamic.DynamicClient, action: tuple[str, str, str, str, str]) -> bool:
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
    """Server-side; an unknown or doubled field is an error."""
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
