"""Applies what the example needs in an empty cluster: nodes, volumes, CRDs of optional kinds.

It uses server-side apply with a field manager of its own; applying again changes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError

from gitops.core.errors import Rejected, Unavailable
from gitops.local.cluster.binaries import LOCALCLUSTER

NODES = LOCALCLUSTER / "nodes.yaml"
MANIFESTS = LOCALCLUSTER / "manifests"
FIELD_MANAGER = "lockstep-local"
_NODE_LEASES = "kube-node-lease"

_Body = Mapping[str, Any]


def apply(kubeconfig: Path, *, manifests: Path = MANIFESTS) -> None:
    """Applies the volumes and stub CRDs. Returns when the API server serves the new kinds.

    Raises: Unavailable(NotEstablished) if the API server does not serve them within a minute.
    """
    bodies = [body for file in sorted(manifests.glob("*.yaml")) for body in _read(file)]
    with config.new_client_from_config(str(kubeconfig)) as api:
        _apply(api, bodies)
        _await(
            client.ApiextensionsV1Api(api).list_custom_resource_definition,
            {body["metadata"]["name"] for body in bodies if body["kind"] == "CustomResourceDefinition"},
            lambda definition: _is_true(definition, "Established"),
            reason="NotEstablished",
        )


def apply_missing(kubeconfig: Path, *, manifests: Path = MANIFESTS) -> Sequence[str]:
    """Creates the missing objects in an existing cluster of the user, and returns their names. Changes no existing one.
    Volumes are left out if their StorageClass exists.

    Raises: as apply; Unavailable(NoCluster) if the cluster does not answer or refuses.
    """
    bodies = [body for file in sorted(manifests.glob("*.yaml")) for body in _read(file)]
    with config.new_client_from_config(str(kubeconfig)) as api:
        try:
            present = _list_present(api)
            missing = [body for body in bodies if (body["kind"], body["metadata"]["name"]) not in present]
            classes = _names(client.StorageV1Api(api).list_storage_class())
            wanted = [body for body in missing if body.get("spec", {}).get("storageClassName") not in classes]
            _apply(api, wanted)
        except (client.ApiException, HTTPError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            message = f"the prerequisites cannot be created in the cluster of {kubeconfig}: {reason}"
            raise Unavailable("NoCluster", message) from error
    return [f"{body['kind']} {body['metadata']['name']}" for body in wanted]


def _list_present(api: client.ApiClient) -> frozenset[tuple[str, str]]:
    listed = {
        "CustomResourceDefinition": client.ApiextensionsV1Api(api).list_custom_resource_definition(),
        "PersistentVolume": client.CoreV1Api(api).list_persistent_volume(),
    }
    return frozenset((kind, name) for kind, found in listed.items() for name in _names(found))


def _names(listed: Any) -> frozenset[str]:
    return frozenset(found.metadata.name for found in listed.items)


def add_nodes(kubeconfig: Path, *, nodes: Path = NODES) -> None:
    """Applies the nodes and deletes their Leases. Call it before kwok starts: an earlier kwok left Leases in its name,
    and the new one would not manage the nodes until those expire after 40 s.
    """
    with config.new_client_from_config(str(kubeconfig)) as api:
        _apply(api, _read(nodes))
        client.CoordinationV1Api(api).delete_collection_namespaced_lease(_NODE_LEASES)


def await_nodes(kubeconfig: Path, *, nodes: Path = NODES) -> None:
    """Returns when pods can be scheduled on all nodes.

    Raises: Unavailable(NodesNotReady) if that takes more than a minute, which means that kwok does not run.
    """
    with config.new_client_from_config(str(kubeconfig)) as api:
        _await(
            client.CoreV1Api(api).list_node,
            {body["metadata"]["name"] for body in _read(nodes)},
            lambda node: _is_true(node, "Ready") and not node["spec"].get("taints"),
            reason="NodesNotReady",
        )


def _read(file: Path) -> Iterable[_Body]:
    bodies: Iterable[_Body] = yaml.safe_load_all(file.read_text())
    return bodies


def _apply(api: client.ApiClient, bodies: Iterable[_Body]) -> None:
    methods: Mapping[str, Callable[..., object]] = {
        "CustomResourceDefinition": client.ApiextensionsV1Api(api).patch_custom_resource_definition,
        "Node": client.CoreV1Api(api).patch_node,
        "PersistentVolume": client.CoreV1Api(api).patch_persistent_volume,
    }
    for body in bodies:
        if body["kind"] not in methods:
            raise Rejected(
                "UnknownKind", f"{body['kind']} {body['metadata']['name']} is not a kind that this module applies"
            )
        methods[body["kind"]](
            body["metadata"]["name"],
            body,
            field_manager=FIELD_MANAGER,
            force=True,
            _content_type="application/apply-patch+yaml",
        )


def _await(
    listing: Callable[..., object], names: Collection[str], is_done: Callable[[_Body], bool], *, reason: str
) -> None:
    waiting = set(names)
    if not waiting:
        return
    for event in watch.Watch().stream(listing, timeout_seconds=60):
        body = event["raw_object"]
        if is_done(body):
            waiting.discard(body["metadata"]["name"])
        if not waiting:
            return
    raise Unavailable(reason, f"still not ready after 60 s: {', '.join(sorted(waiting))}")


def _is_true(body: _Body, condition: str) -> bool:
    conditions = body.get("status", {}).get("conditions") or []
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
