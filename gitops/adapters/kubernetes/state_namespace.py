"""Reads and writes Lockstep's own objects: parents, ledgers, Leases and a key, in the namespace lockstep-system.

No other tool writes to that namespace.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.core.errors import Conflict, Rejected
from gitops.core.ownership.applyset import SYSTEM_NAMESPACE

NAMESPACE = SYSTEM_NAMESPACE
MANAGED_BY = {"app.kubernetes.io/managed-by": "lockstep"}
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_PACK_ABOVE = 64 * 1024  # characters
_PACKED = "zlib+base64:"

_MANIFEST = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAMESPACE, "labels": {**MANAGED_BY, "pod-security.kubernetes.io/enforce": "restricted"}},
}


def read(api: KubernetesApi, path: str, *, urgent_seconds: float | None = None) -> Mapping[str, Any] | None:
    """Reads one of our own objects; None if it does not exist. `urgent_seconds` bounds the wait for the answer, and
    lets the request pass ahead of others. Raises as KubernetesApi.request does.
    """
    try:
        return api.request(_request("GET", path, None, urgent_seconds)).body
    except Rejected as error:
        if error.reason == "NotFound":
            return None
        raise


def store(
    api: KubernetesApi, collection: str, body: Mapping[str, Any], *, urgent_seconds: float | None = None
) -> Mapping[str, Any]:
    """Creates the object, or replaces it if metadata.resourceVersion is given and still the stored one. Returns the
    stored object.

    Raises: Conflict if the object exists already, was changed, or is gone; else as `read` does.
    """
    if body["metadata"].get("resourceVersion"):
        return _replace(api, _request("PUT", f"{collection}/{body['metadata']['name']}", body, urgent_seconds))
    create = _request("POST", collection, body, urgent_seconds)
    try:
        return api.request(create).body
    except Rejected as error:
        if error.reason != "NotFound":  # NotFound: the namespace does not exist
            raise
    _ensure_namespace(api)
    return api.request(create).body


def pack(text: str) -> str:
    """Compresses a text above 64 KiB, because a ConfigMap holds 1 MiB."""
    if len(text) <= _PACK_ABOVE:
        return text
    return _PACKED + b64encode(zlib.compress(text.encode(), 6)).decode()


def unpack(text: str) -> str:
    """The inverse of pack. Raises: ValueError, zlib.error."""
    if not text.startswith(_PACKED):
        return text
    return zlib.decompress(b64decode(text.removeprefix(_PACKED))).decode()


def _replace(api: KubernetesApi, replacement: ApiRequest) -> Mapping[str, Any]:
    try:
        return api.request(replacement).body
    except Rejected as error:
        if error.reason == "NotFound":
            raise Conflict("Conflict", f"{replacement.about} is gone") from error
        raise


def _ensure_namespace(api: KubernetesApi) -> None:
    try:
        api.request(_request("POST", "/api/v1/namespaces", _MANIFEST, None))
    except Conflict:
        return  # another writer was faster


def _request(method: str, path: str, body: Mapping[str, Any] | None, urgent_seconds: float | None) -> ApiRequest:
    writing = (("fieldManager", "lockstep"),) if body is not None else ()
    request = ApiRequest(method, path, f"{method} {path}", writing, body, confidential="/secrets" in path)
    return request if urgent_seconds is None else replace(request, seconds=urgent_seconds, urgent=True)
