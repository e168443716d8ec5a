"""Finds the API path of a kind by discovery, which is requested once per group and version.

https://kubernetes.io/docs/reference/using-api/api-concepts/#standard-api-terminology
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.core.errors import Rejected
from gitops.core.objects import Key


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A kind that the API server serves. `plural` is its name in paths."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_confidential(self) -> bool:
        """True for Secrets: messages must not repeat their values."""
        return (self.group, self.kind) == ("", "Secret")

    def collection(self, namespace: str = "") -> str:
        """The path of the collection, in one namespace or (empty) in the whole cluster."""
        within = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{_root(self.group, self.version)}{within}/{self.plural}"

    def path(self, key: Key) -> str:
        """The path of one object. Raises: Rejected(NamespaceRequired)."""
        if self.namespaced and not key.namespace:
            raise Rejected("NamespaceRequired", f"{key}: this kind is namespaced; set metadata.namespace")
        return f"{self.collection(key.namespace)}/{quote(key.name, safe='')}"


class Discovery:
    """Thread-safe. Threads that need the same group and version wait for one request. A kind that is not served is
    requested again each time, because its CRD may have been installed.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        self._lock = threading.Lock()
        self._request_locks: dict[tuple[str, str], threading.Lock] = {}
        self._served: dict[tuple[str, str], Mapping[str, ApiResource]] = {}

    def resource(self, group: str, version: str, kind: str) -> ApiResource:
        """Raises: Rejected(NoMatches) if the server does not serve that kind; else as KubernetesApi.request does."""
        known = self._find(group, version, kind)
        if known is not None:
            return known
        with self._lock:
            request_lock = self._request_locks.setdefault((group, version), threading.Lock())
        with request_lock:
            known = self._find(group, version, kind)
            if known is not None:
                return known
            found = self._discover(group, version)
            with self._lock:
                self._served[group, version] = found
        if kind not in found:
            raise _no_matches(group, version, kind)
        return found[kind]

    def _find(self, group: str, version: str, kind: str) -> ApiResource | None:
        return self._served.get((group, version), {}).get(kind)

    def forget(self) -> None:
        """Drops what discovery has returned so far."""
        with self._lock:
            self._served.clear()

    def _discover(self, group: str, version: str) -> Mapping[str, ApiResource]:
        path = _root(group, version)
        try:
            listed = self.api.request(ApiRequest("GET", path, f"discovery of {path}")).body
        except Rejected as error:
            if error.reason in ("NoMatches", "NotFound"):
                return {}
            raise
        return {
            entry["kind"]: ApiResource(group, version, entry["kind"], entry["name"], bool(entry["namespaced"]))
            for entry in listed.get("resources") or ()
            if "/" not in entry["name"]  # a subresource
        }


def split(api_version: str) -> tuple[str, str]:
    """`apps/v1` -> `("apps", "v1")`, `v1` -> `("", "v1")`."""
    group, _, version = api_version.rpartition("/")
    return group, version


def _root(group: str, version: str) -> str:
    return f"/apis/{quote(group, safe='')}/{quote(version, safe='')}" if group else f"/api/{quote(version, safe='')}"


def _no_matches(group: str, version: str, kind: str) -> Rejected:
    where = f"{group}/{version}" if group else version
    return Rejected("NoMatches", f"the server does not serve kind {kind} of {where}; is its CRD installed?")
