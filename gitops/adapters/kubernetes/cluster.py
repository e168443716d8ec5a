"""ports.Cluster: reads, applies, patches and deletes single objects. It decides nothing."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from gitops.adapters.kubernetes.api import ApiRequest, ApiResponse
from gitops.adapters.kubernetes.discovery import ApiResource, Discovery, split
from gitops.core.errors import Conflict, Rejected
from gitops.core.health.pods import has_run
from gitops.core.images.reference import Image
from gitops.core.manifests.container_images import images_of
from gitops.core.manifests.manifest import Manifest
from gitops.core.manifests.pod_references import references
from gitops.core.objects import Body, Key
from gitops.core.ownership.field_removal import Operation

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
_REFERRING_KINDS = (
    ("", "v1", "Pod"),
    ("apps", "v1", "ReplicaSet"),
    ("apps", "v1", "ControllerRevision"),
    ("batch", "v1", "Job"),
)


class KubernetesCluster:
    """Implements ports.Cluster. `manager` is the field manager, `lockstep` or `lockstep-<installation>`."""

    def __init__(self, discovery: Discovery, *, manager: str) -> None:
        self._api = discovery.api
        self._discovery = discovery
        self._manager = manager

    def is_namespaced(self, manifest_kind: tuple[str, str]) -> bool:
        api_version, kind = manifest_kind
        return self._discovery.resource(*split(api_version), kind).namespaced

    def refresh_kinds(self) -> None:
        self._discovery.forget()

    def read(self, key: Key, version: str) -> Body | None:
        resource = self._discovery.resource(key.group, version, key.kind)
        try:
            return self._send(_request("GET", resource, key)).body
        except Rejected as error:
            if error.reason == "NotFound":
                return None
            raise

    def preview(self, manifest: Manifest, resource_version: str) -> Body:
        return self._patch(manifest, resource_version, (("dryRun", "All"),))

    def apply(self, manifest: Manifest, resource_version: str) -> Body:
        return self._patch(manifest, resource_version, ())

    def preview_edit(self, key: Key, version: str, operations: Sequence[Operation]) -> Body:
        return self._edit(key, version, operations, (("dryRun", "All"),))

    def edit(self, key: Key, version: str, operations: Sequence[Operation]) -> Body:
        return self._edit(key, version, operations, ())

    def _edit(
        self, key: Key, version: str, operations: Sequence[Operation], options: tuple[tuple[str, str], ...]
    ) -> Body:
        resource = self._discovery.resource(key.group, version, key.kind)
        query = (("fieldManager", self._manager), *options)
        request = replace(_request("PATCH", resource, key, body=list(operations), query=query), content_type=JSON_PATCH)
        try:
            return self._send(request).body
        except Rejected as error:
            if error.reason == "Invalid":  # the server answers 422 if a test of the patch fails
                raise Conflict("Conflict", f"{key} changed meanwhile") from error
            raise

    def delete(self, key: Key, version: str, *, uid: str) -> None:
        resource = self._discovery.resource(key.group, version, key.kind)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        try:
            self._send(_request("DELETE", resource, key, body=options))
        except Rejected as error:
            if error.reason != "NotFound":
                raise

    def references(self, namespace: str) -> Collection[Key]:
        found: set[Key] = set()
        for kind in _REFERRING_KINDS:
            resource = self._discovery.resource(*kind)
            listing = ApiRequest("GET", resource.collection(namespace), f"the {resource.plural} of {namespace}")
            for page in self._api.items(listing):
                for item in page["items"]:  # the items of a list lack apiVersion and kind
                    found |= references({**item, "apiVersion": resource.api_version, "kind": resource.kind})
        return {key for key in found if key.kind in ("ConfigMap", "Secret")}

    def running(self, namespace: str) -> Collection[Image]:
        resource = self._discovery.resource("", "v1", "Pod")
        listing = ApiRequest("GET", resource.collection(namespace), f"the pods of {namespace}")
        pods = (item for page in self._api.items(listing) for item in page["items"])
        return {image for pod in pods if has_run(pod) for image in images_of(pod)}

    def _patch(self, manifest: Manifest, resource_version: str, options: tuple[tuple[str, str], ...]) -> Body:
        key = manifest.key
        resource = self._discovery.resource(key.group, manifest.version, key.kind)
        query = (("fieldManager", self._manager), ("force", "true"), ("fieldValidation", "Strict"), *options)
        body = _with_resource_version(manifest.body, resource_version) if resource_version else manifest.body
        return self._send(_request("PATCH", resource, key, body=body, query=query)).body

    def _send(self, request: ApiRequest) -> ApiResponse:
        try:
            return self._api.request(request)
        except Rejected as error:
            if error.reason == "NoMatches":  # the CRD was deleted after discovery
                self._discovery.forget()
            raise


def _request(
    method: str, resource: ApiResource, key: Key, *, body: object = None, query: tuple[tuple[str, str], ...] = ()
) -> ApiRequest:
    return ApiRequest(
        method,
        resource.path(key),
        str(key),
        query=query,
        body=body,
        content_type=APPLY if method == "PATCH" else "application/json",
        confidential=resource.is_confidential,
    )


def _with_resource_version(body: Body, resource_version: str) -> Body:
    """The API server answers 409 if the live object has another resourceVersion."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": resource_version}}
