"""The API server over raw HTTP: for the floors, and to observe when an object changes."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import yaml
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

Body = Mapping[str, Any]

_PATIENCE = 60.0
_METADATA = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_PLURALS = {
    "Namespace": "api/v1",
    "Service": "api/v1",
    "ServiceAccount": "api/v1",
    "Deployment": "apis/apps/v1",
    "Ingress": "apis/networking.k8s.io/v1",
}


class NotSeen(Exception):
    """The expected state was not observed within a minute."""


class Api:
    """A client. Thread-safe; it keeps its connections open, as the controller does."""

    def __init__(self, kubeconfig: Path, *, connections: int = 16) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = b64decode(cluster.get("certificate-authority-data", "")).decode()
        self._server = cluster["server"]
        self._headers = {"Authorization": f"Bearer {user['token']}"}
        self._pool = PoolManager(maxsize=connections, block=True, ca_cert_data=authority, timeout=30.0, retries=False)

    def apply(self, body: Body, *, manager: str = "floor") -> Body:
        """One server-side apply."""
        query = f"fieldManager={manager}&force=true&fieldValidation=Strict"
        return self._patch(f"{path(body)}?{query}", body, "application/apply-patch+yaml")

    def edit(self, kind: str, namespace: str, name: str, patch: Body) -> Body:
        """A merge patch with a manager name of its own, as a person makes it with kubectl edit."""
        target = {"kind": kind, "metadata": {"namespace": namespace, "name": name}}
        return self._patch(f"{path(target)}?fieldManager=person", patch, "application/merge-patch+json")

    def text(self, where: str) -> str:
        response = self._pool.request("GET", f"{self._server}{where}", headers=self._headers)
        return response.data.decode()

    def open_watch(self, kind: str, namespace: str, *, whole: bool) -> HTTPResponse:
        where = f"{self._server}/{_PLURALS[kind]}/namespaces/{namespace}/{_plural(kind)}?watch=1"
        response = self._pool.request(
            "GET",
            where,
            headers={**self._headers, **({} if whole else _METADATA)},
            preload_content=False,
            timeout=600.0,
            retries=False,
        )
        if not isinstance(response, HTTPResponse):
            raise NotSeen(f"{where} cannot be watched")
        return response

    def _patch(self, where: str, body: Body, content_type: str) -> Body:
        headers = {**self._headers, "Content-Type": content_type}
        response = self._pool.request("PATCH", f"{self._server}{where}", body=json.dumps(body), headers=headers)
        if response.status >= 300:
            raise NotSeen(f"{where}: {response.status} {response.data[:300]!r}")
        answer: Body = json.loads(response.data)
        return answer


class ObjectWatch:
    """The objects of one kind in one namespace, from a watch; `whole` or their metadata only. A context manager."""

    def __init__(self, api: Api, kind: str, namespace: str, *, whole: bool = True) -> None:
        self._response = api.open_watch(kind, namespace, whole=whole)
        self._changed = threading.Condition()
        self._objects: dict[str, Body] = {}
        self._thread = threading.Thread(target=self._follow, name=f"watch {kind}", daemon=True)

    def await_count(self, count: int, *, seconds: float = _PATIENCE) -> float:
        """Waits until there are `count` objects; returns the monotonic time. Raises: NotSeen."""
        return self._await(lambda: len(self._objects) >= count, f"{count} objects", seconds)

    def await_object(self, name: str, is_so: Callable[[Body], bool], *, seconds: float = _PATIENCE) -> float:
        """Waits until the object satisfies `is_so`; returns the monotonic time. Raises: NotSeen."""
        return self._await(lambda: name in self._objects and is_so(self._objects[name]), name, seconds)

    def _await(self, is_so: Callable[[], bool], what: str, seconds: float) -> float:
        with self._changed:
            if not self._changed.wait_for(is_so, seconds):
                raise NotSeen(f"{what}: not seen within {seconds:.0f} s, {len(self._objects)} objects are there")
            return time.monotonic()

    def _follow(self) -> None:
        rest = b""
        with suppress(HTTPError, OSError, ValueError):
            while piece := self._response.read1():
                *lines, rest = (rest + piece).split(b"\n")
                for line in filter(None, lines):
                    self._take(json.loads(line))

    def _take(self, event: Body) -> None:
        body = event["object"]
        with self._changed:
            if event["type"] == "DELETED":
                self._objects.pop(body["metadata"]["name"], None)
            elif event["type"] in {"ADDED", "MODIFIED"}:
                self._objects[body["metadata"]["name"]] = body
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # its reader may close it at this very moment
            self._response.shutdown()
        self._thread.join(5.0)


def path(body: Body) -> str:
    kind, metadata = body["kind"], body["metadata"]
    within = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    return f"/{_PLURALS[kind]}{within}/{_plural(kind)}/{metadata['name']}"


def _plural(kind: str) -> str:
    return {"Ingress": "ingresses"}.get(kind, f"{kind.lower()}s")
