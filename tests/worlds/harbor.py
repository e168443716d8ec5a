"""An imitation of Harbor's API v2.0, as far as the adapter uses it. It follows Harbor's swagger file and handlers.
Harbor itself needs databases that are not available here.

It imitates these details: names of repositories are decoded twice; artifacts are sorted by push time and paged with
X-Total-Count and Link; `q=tags=*` leaves out untagged artifacts; only a tag that moves gets a new push time; errors are
{"errors": [{"code", "message"}]}.
"""

import base64
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

USER, PASSWORD = "robot$tuling+lockstep", "harbor-robot-secret-1"


def digest(content: str) -> str:
    return "sha256:" + sha256(content.encode()).hexdigest()


@dataclass
class Artifact:
    digest: str
    pushed_at: datetime
    tags: dict[str, datetime] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    children: Sequence[Mapping[str, Any]] = ()
    scans: Mapping[str, Any] | None = None


class Harbor:
    """`host` is host:port. Repositories are `project/name`, and the name may hold slashes. If `status` is set, every
    answer has it; paths that contain one of `failing` get a 500. `asked` holds paths and queries, in order.
    """

    def __init__(self) -> None:
        self.host = ""
        self.repositories: dict[str, list[Artifact]] = {}
        self.status = 0
        self.failing: set[str] = set()
        self.asked: list[str] = []
        self.password = PASSWORD

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def push(self, repository: str, tag: str, at: datetime, content: str = "", **kept: Any) -> str:
        """Imitate `docker push`. Without `content` the image depends on the tag."""
        found = digest(f"{repository}:{content or tag}")
        artifacts = self.repositories.setdefault(repository, [])
        artifact = next((each for each in artifacts if each.digest == found), None)
        if artifact is None:
            artifact = Artifact(found, at, **kept)
            artifacts.append(artifact)
        self.retag(repository, found, tag, at)
        return found

    def retag(self, repository: str, found: str, tag: str, at: datetime) -> None:
        """Add a tag as Harbor's page or API does, which sends no webhook."""
        for artifact in self.repositories[repository]:
            if artifact.digest != found:
                artifact.tags.pop(tag, None)
            else:
                artifact.tags.setdefault(tag, at)

    def delete(self, repository: str, found: str) -> None:
        self.repositories[repository] = [each for each in self.repositories[repository] if each.digest != found]

    # -- answers

    def answer(self, target: str, authorization: str) -> tuple[int, Any, dict[str, str]]:
        self.asked.append(target)
        expected = "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        status = self.status or (500 if any(each in target for each in self.failing) else 0)
        if status:
            return status, _error("UNKNOWN", f"status {status}"), {}
        if authorization != expected:
            return 401, _error("UNAUTHORIZED", "unauthorized"), {}
        parts, query = urlsplit(target), {name: held[0] for name, held in parse_qs(urlsplit(target).query).items()}
        match parts.path.split("/"):
            case ["", "api", "v2.0", "projects", project, "repositories", name, "artifacts", *reference]:
                repository = f"{unquote(project)}/{unquote(unquote(name))}"
                if repository not in self.repositories:
                    return 404, _error("NOT_FOUND", f"repository {repository} not found"), {}
                if reference:
                    return self._one(repository, unquote(reference[0]), query)
                return self._page(repository, query, parts.path)
        return 404, "<html>not found</html>", {}

    def _one(self, repository: str, reference: str, query: Mapping[str, str]) -> tuple[int, Any, dict[str, str]]:
        for artifact in self.repositories[repository]:
            if artifact.digest == reference or reference in artifact.tags:
                return 200, _artifact(artifact, query), {}
        return 404, _error("NOT_FOUND", f"artifact {repository}@{reference} not found"), {}

    def _page(self, repository: str, query: Mapping[str, str], path: str) -> tuple[int, Any, dict[str, str]]:
        assert query["sort"] == "-push_time"
        found = [each for each in self.repositories[repository] if each.tags or query.get("q") != "tags=*"]
        found.sort(key=lambda each: each.pushed_at, reverse=True)
        size, page = int(query.get("page_size", "10")), int(query.get("page", "1"))
        if size > 100:
            return 422, _error("UNPROCESSABLE", "page_size should be less than or equal to 100"), {}
        shown = found[(page - 1) * size : page * size]
        headers = {"X-Total-Count": str(len(found))}
        if page * size < len(found):
            headers["Link"] = f'<{path}?page={page + 1}&page_size={size}>; rel="next"'
        return 200, [_artifact(each, query) for each in shown], headers


def _artifact(artifact: Artifact, query: Mapping[str, str]) -> dict[str, Any]:
    """Format an artifact as Harbor does: null for empty lists, times with milliseconds."""
    tags = [
        {"id": 1, "artifact_id": 1, "repository_id": 1, "name": name, "immutable": False, **_times(at)}
        for name, at in artifact.tags.items()
    ]
    found: dict[str, Any] = {
        "id": 1,
        "type": "IMAGE",
        "media_type": "application/vnd.oci.image.config.v1+json",
        "manifest_media_type": "application/vnd.oci.image.manifest.v1+json",
        "digest": artifact.digest,
        "size": 1234,
        "icon": "sha256:" + "a" * 64,
        "labels": None,
        "accessories": None,
        "references": list(artifact.children) or None,
        "tags": tags or None if query.get("with_tag") == "true" else None,
        "extra_attrs": {
            "architecture": "amd64",
            "author": "",
            "config": {"Cmd": ["/bin/sh"], **({"Labels": dict(artifact.labels)} if artifact.labels else {})},
            "created": "2026-11-01T07:59:00.123456789Z",
            "os": "linux",
        },
        **_times(artifact.pushed_at),
    }
    if query.get("with_scan_overview") == "true" and artifact.scans is not None:
        found["scan_overview"] = dict(artifact.scans)
    return found


def _times(at: datetime) -> dict[str, str]:
    return {
        "push_time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "pull_time": "0001-01-01T00:00:00.000Z",
    }


def _error(code: str, message: str) -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message}]}


@contextmanager
def harbor() -> Iterator[Harbor]:
    """Run an imitation of Harbor on loopback."""
    made = Harbor()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body, headers = made.answer(self.path, self.headers.get("Authorization", ""))
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.host = f"127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
