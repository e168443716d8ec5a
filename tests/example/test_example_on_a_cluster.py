"""The whole example on a real API server with controllers: valid under strict validation, ready, and unchanged when
it is applied again. The control plane is not shared, since the example's namespaces have fixed names.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch

from gitops.local.cluster import binaries, prerequisites
from gitops.local.cluster.control_plane import ControlPlane
from tests.example.rendered import ENVIRONMENTS, Body, Rendered

MANAGER = "example-test"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dynamic.DynamicClient]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), binaries.ensure_all()) as plane:
        prerequisites.apply(plane.kubeconfig)
        with config.new_client_from_config(str(plane.kubeconfig)) as api:
            yield dynamic.DynamicClient(api)


@pytest.fixture(scope="module")
def applied(
    cluster: dynamic.DynamicClient, platform: Rendered, environments: Mapping[str, Rendered]
) -> tuple[Body, ...]:
    """Apply every object of the example, the platform first."""
    bodies = tuple(body for part in (platform, *environments.values()) for body in part.objects)
    for body in bodies:
        _apply(cluster, body)
    return bodies


def test_services_of_every_environment_become_available(
    cluster: dynamic.DynamicClient, applied: tuple[Body, ...]
) -> None:
    """Its pods run on the nodes of its pool, with the volume claim bound and within the quota."""
    wanted = {
        (body["metadata"]["namespace"], body["metadata"]["name"]) for body in applied if body["kind"] == "Deployment"
    }
    apps = client.AppsV1Api(cluster.client)
    for event in watch.Watch().stream(apps.list_deployment_for_all_namespaces, timeout_seconds=120):
        deployment = event["object"]
        if _is_available(deployment):
            wanted.discard((deployment.metadata.namespace, deployment.metadata.name))
        if not wanted:
            break
    assert wanted == set()


def test_example_applied_again_changes_nothing(cluster: dynamic.DynamicClient, applied: tuple[Body, ...]) -> None:
    for body in applied:
        before, after = _read(cluster, body), _apply(cluster, body)
        assert _strip_server_fields(after) == _strip_server_fields(before), f"{body['kind']} {body['metadata']['name']}"


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("developers", {"dev": "operator", "test": "operator", "prod": "viewer"}),
        ("testers", {"test": "viewer"}),
        ("release-managers", {"prod": "operator"}),
    ],
)
def test_roles_of_each_group_match_the_matrix(
    cluster: dynamic.DynamicClient, applied: tuple[Body, ...], group: str, allowed: Mapping[str, str]
) -> None:
    for environment in ENVIRONMENTS:
        role = allowed.get(environment)
        may = {
            "look": _is_allowed(cluster, group, environment, "list", "pods"),
            "restart": _is_allowed(cluster, group, environment, "delete", "pods"),
            "open a shell": _is_allowed(cluster, group, environment, "create", "pods", "exec"),
            "edit": _is_allowed(cluster, group, environment, "patch", "deployments"),
            "read secrets": _is_allowed(cluster, group, environment, "get", "secrets"),
        }
        assert may == {
            "look": role is not None,
            "restart": role == "operator",
            "open a shell": role == "operator",
            "edit": False,
            "read secrets": False,
        }, environment


def _resource(cluster: dynamic.DynamicClient, body: Body) -> Any:
    return cluster.resources.get(api_version=body["apiVersion"], kind=body["kind"])


def _apply(cluster: dynamic.DynamicClient, body: Body) -> dict[str, Any]:
    """Apply by server-side apply. An unknown or doubled field is an error."""
    resource = _resource(cluster, body)
    name, namespace = body["metadata"]["name"], body["metadata"].get("namespace")
    answer = cluster.request(
        "patch",
        resource.path(name=name, namespace=namespace),
        body=dict(body),
        query_params=[("fieldManager", MANAGER), ("fieldValidation", "Strict")],
        content_type="application/apply-patch+yaml",
        serialize=False,
    )
    return dict(json.loads(answer.data))


def _read(cluster: dynamic.DynamicClient, body: Body) -> dict[str, Any]:
    found = _resource(cluster, body).get(name=body["metadata"]["name"], namespace=body["metadata"].get("namespace"))
    return dict(found.to_dict())


def _strip_server_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body without the fields that the API server and the controllers write."""
    own = {"managedFields", "resourceVersion", "annotations"}
    metadata = {key: value for key, value in body["metadata"].items() if key not in own}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}


def _is_available(deployment: Any) -> bool:
    conditions = deployment.status.conditions or ()
    seen = deployment.status.observed_generation == deployment.metadata.generation
    return seen and any(entry.type == "Available" and entry.status == "True" for entry in conditions)


def _is_allowed(cluster: dynamic.DynamicClient, group: str, environment: str, *action: str) -> bool:
    verb, resource, subresource = (*action, "")[:3]
    attributes = {
        "namespace": f"tuling-{environment}",
        "verb": verb,
        "group": "apps" if resource == "deployments" else "",
        "resource": resource,
        "subresource": subresource,
    }
    reviews: Any = client.AuthorizationV1Api(cluster.client)
    spec = {"user": "somebody", "groups": [f"tuling:{group}"], "resourceAttributes": attributes}
    return bool(reviews.create_subject_access_review({"spec": spec}).status.allowed)
