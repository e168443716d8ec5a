"""Where an API server keeps the objects of a kind, asked from discovery once per group and version.

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
    """A kind as served: `plural` is its name in paths."""

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
        return (self.group, self.kind) == ("", "Secret")

    def collection(self, namespace: str = "") -> str:
        """The path of all objects, of one namespace or (empty) of the whole cluster."""
        within = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{_root(self.group, self.version)}{within}/{self.plural}"

    def path(self, key: Key) -> str:
        """The path of one object. Raises Rejected(NamespaceRequired)."""
        if self.namespaced and not key.namespace:
            raise Rejected("NamespaceRequired", f"{key}: objects of this kind live in a namespace and none is given")
        return f"{self.collection(key.namespace)}/{quote(key.name, safe='')}"


class Discovery:
    """Thread-safe; several that need the same discovery wait for one to ask. What is not served now is asked again each
    time: a CRD may have come.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        self._lock = threading.Lock()
        self._asking: dict[tuple[str, str], threading.Lock] = {}
        self._served: dict[tuple[str, str], Mapping[str, ApiResource]] = {}

    def resource(self, group: str, version: str, kind: str) -> ApiResource:
        """Raises: Rejected(NoMatches) when the server does not serve that kind; and as KubernetesApi.request does."""
        known = self._known(group, version, kind)
        if known is not None:
            return known
        with self._lock:
            asking = self._asking.setdefault((group, version), threading.Lock())
        with asking:
            known = self._known(group, version, kind)
            if known is not None:
                return known
            found = self._discover(group, version)
            with self._lock:
                self._served[group, version] = found
        if kind not in found:
            raise _no_matches(group, version, kind)
        return found[kind]

    def _known(self, group: str, version: str, kind: str) -> ApiResource | None:
        return self._served.get((group, version), {}).get(kind)

    def forget(self) -> None:
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
