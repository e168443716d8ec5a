"""Direct access to the API server, for edits by a person with kubectl and for the checks of the tests. It uses no code
of the product.
"""

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml
from urllib3.exceptions import HTTPError

Body = dict[str, Any]
Objects = Mapping[str, Body]
"""Objects of one collection by `namespace/name`."""

_COLLECTIONS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Event": "/api/v1/namespaces/{}/events",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
}
OURS = ("ConfigMap", "Service", "Deployment")
"""The kinds in the config repos of these tests."""

_MERGE = "application/merge-patch+json"


def collection(kind: str, namespace: str) -> str:
    return _COLLECTIONS[kind].format(namespace)


class NeverObserved(AssertionError):
    """The expected state was not observed. `seen` is the last observed state."""

    def __init__(self, what: str, seen: Objects) -> None:
        super().__init__(f"{what} is still {json.dumps(list(seen.values()), indent=1)[:6000]}")
        self.seen = seen


class Console:
    """Thread-safe. `manager` is the field manager of its edits."""

    def __init__(self, kubeconfig: Path, manager: str = "kubectl-edit") -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._manager = manager
        self._server = cluster["server"]
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        authority = b64decode(cluster["certificate-authority-data"]).decode()
        self._pool = urllib3.PoolManager(ca_cert_data=authority, maxsize=16, retries=False)

    def close(self) -> None:
        self._pool.clear()

    def read(self, kind: str, namespace: str, name: str) -> Body | None:
        answer = self._send("GET", f"{collection(kind, namespace)}/{name}")
        return None if answer.status == 404 else _body(answer)

    def list(self, kind: str, namespace: str, labels: str = "") -> list[Body]:
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        api_version = "apps/v1" if "/apps/" in collection(kind, namespace) else "v1"
        listed = _body(self._send("GET", collection(kind, namespace) + query))
        return [{**item, "apiVersion": api_version, "kind": kind} for item in listed["items"] or []]

    def create(self, kind: str, namespace: str, body: Mapping[str, Any]) -> Body:
        return _body(self._send("POST", f"{collection(kind, namespace)}?fieldManager={self._manager}", body))

    def refuses(self, kind: str, namespace: str, body: Mapping[str, Any]) -> bool:
        """True if the server refuses this new object in a dry run."""
        return self._send("POST", f"{collection(kind, namespace)}?dryRun=All", body).status >= 300

    def create_namespace(self, name: str) -> None:
        _body(self._send("POST", "/api/v1/namespaces", {"metadata": {"name": name}}))

    def patch(self, kind: str, namespace: str, name: str, patch: object, content_type: str = _MERGE) -> Body:
        path = f"{collection(kind, namespace)}/{name}?fieldManager={self._manager}"
        return _body(self._send("PATCH", path, patch, content_type))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        _body(self._send("DELETE", f"{collection(kind, namespace)}/{name}"))

    def until(
        self, kind: str, namespace: str, is_so: Callable[[Objects], bool], *, seconds: float = 60.0
    ) -> dict[str, Body]:
        """Watches one collection until it satisfies the condition; fails with the last observed state."""
        deadline = time.monotonic() + seconds
        path = collection(kind, namespace)
        while True:
            listed = _body(self._send("GET", path))
            seen = {_name(item): item for item in listed["items"] or []}
            if is_so(seen):
                return seen
            for event in self._events(path, listed["metadata"]["resourceVersion"], deadline - time.monotonic()):
                if event["type"] == "ERROR":
                    break
                item = event["object"]
                seen[_name(item)] = item
                if event["type"] == "DELETED":
                    del seen[_name(item)]
                if is_so(seen):
                    return seen
            if time.monotonic() > deadline:
                raise NeverObserved(path, seen)

    def until_one(
        self, kind: str, namespace: str, name: str, is_so: Callable[[Body], bool], *, seconds: float = 60.0
    ) -> Body:
        key = f"{namespace}/{name}"
        try:
            return self.until(kind, namespace, lambda seen: key in seen and is_so(seen[key]), seconds=seconds)[key]
        except NeverObserved as never:
            raise NeverObserved(f"{kind} {key}", {key: never.seen.get(key, {})}) from None

    def until_gone(self, kind: str, namespace: str, name: str, *, seconds: float = 60.0) -> None:
        self.until(kind, namespace, lambda seen: f"{namespace}/{name}" not in seen, seconds=seconds)

    def _events(self, path: str, version: str, seconds: float) -> Iterator[Body]:
        """Ends at the time limit."""
        if seconds <= 0:
            return
        query = urlencode({"watch": "1", "resourceVersion": version, "timeoutSeconds": max(1, int(seconds))})
        answer = self._send("GET", f"{path}?{query}", stream=True, seconds=seconds + 5)
        rest = b""
        try:
            for piece in iter(lambda: answer.read1(65536), b""):
                *lines, rest = (rest + piece).split(b"\n")
                yield from map(json.loads, lines)
        except HTTPError:
            return
        finally:
            answer.close()

    def _send(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        *,
        stream: bool = False,
        seconds: float = 30.0,
    ) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method,
            self._server + path,
            body=None if body is None else json.dumps(body),
            headers={**self._headers, "Content-Type": content_type},
            preload_content=not stream,
            timeout=seconds,
        )


def _body(answer: urllib3.BaseHTTPResponse) -> Body:
    body: Body = json.loads(answer.data)
    assert answer.status < 300, body
    return body


def _name(body: Body) -> str:
    metadata = body["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
