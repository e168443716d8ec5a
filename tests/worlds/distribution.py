"""The real registry of github.com/distribution/distribution on a port of its own, and images pushed into it."""

import hashlib
import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from gitops.local.cluster import binaries

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
USER, PASSWORD = "lockstep", "registry-secret-1"
_HTPASSWD = "$2y$05$abcdefghijklmnopqrstuufx8w9YWk4FDAg9K.ahx2lH.td.gnKI6"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class RegistryWorld:
    """One registry. `host` is host:port, as in image names; `url` is the address of its API."""

    def __init__(self, host: str, authorization: Mapping[str, str]) -> None:
        self.host = host
        self.url = f"http://{host}"
        self._authorization = dict(authorization)
        self._http = urllib3.PoolManager(retries=False, timeout=30.0)

    def close(self) -> None:
        self._http.clear()

    def authorize(self, token: str) -> None:
        """Use this token for every later request."""
        self._authorization = {"Authorization": f"Bearer {token}"}

    def push(self, repository: str, tag: str, labels: Mapping[str, str] | None = None, *, of: str = "") -> str:
        """Push an image whose content depends on `of`, or else on the tag. Return its digest."""
        manifest = self._image(repository, of or tag, labels or {})
        return self._put(repository, tag, manifest, MANIFEST)

    def push_index(self, repository: str, tag: str, labels: Mapping[str, str]) -> str:
        """Push an index as docker's builder makes it: an attestation and an image."""
        attestation = self._image(repository, f"{tag}-attestation", {})
        image = self._image(repository, f"{tag}-amd64", labels)
        entries = [(attestation, {"os": "unknown", "architecture": "unknown"}), (image, {"os": "linux"})]
        for content, _ in entries:
            self._put(repository, digest_of(content), content, MANIFEST)
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                {"mediaType": MANIFEST, "digest": digest_of(each), "size": len(each), "platform": platform}
                for each, platform in entries
            ],
        }
        return self._put(repository, tag, json.dumps(index).encode(), INDEX)

    def retag(self, repository: str, digest: str, tag: str) -> None:
        """Give the same manifest one more tag."""
        answer = self._send("GET", f"{repository}/manifests/{digest}", headers={"Accept": MANIFEST})
        self._put(repository, tag, answer.data, MANIFEST)

    def delete(self, repository: str, digest: str) -> None:
        assert self._send("DELETE", f"{repository}/manifests/{digest}").status == 202

    def _image(self, repository: str, content: str, labels: Mapping[str, str]) -> bytes:
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": dict(labels)}, "made-of": content}
        blob = json.dumps(config).encode()
        self._upload(repository, blob)
        described = {"mediaType": CONFIG, "digest": digest_of(blob), "size": len(blob)}
        return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()

    def _upload(self, repository: str, blob: bytes) -> None:
        started = self._send("POST", f"{repository}/blobs/uploads/")
        assert started.status == 202, started.data
        place = started.headers["Location"]
        target = place if place.startswith("http") else f"{self.url}{place}"
        joint = "&" if "?" in target else "?"
        done = self._http.request(
            "PUT", f"{target}{joint}digest={digest_of(blob)}", body=blob, headers=self._authorization
        )
        assert done.status == 201, done.data

    def _put(self, repository: str, reference: str, content: bytes, media_type: str) -> str:
        answer = self._send(
            "PUT", f"{repository}/manifests/{reference}", body=content, headers={"Content-Type": media_type}
        )
        assert answer.status == 201, answer.data
        return digest_of(content)

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Any:
        sent = {**self._authorization, **(headers or {})}
        return self._http.request(method, f"{self.url}/v2/{path}", headers=sent, body=body)


@contextmanager
def registry(directory: Path, auth: Mapping[str, Any] | None = None) -> Iterator[RegistryWorld]:
    """Run a registry that keeps its images below `directory`. `auth` is that section of its configuration."""
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "json"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "images")}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "not-shared-with-anybody"},
    }
    if auth is not None:
        settings["auth"] = dict(auth)
    file = directory / "registry.yaml"
    file.write_text(json.dumps(settings))  # JSON is YAML
    program = binaries.ensure("registry")
    with subprocess.Popen(
        [program, "serve", file],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={"OTEL_TRACES_EXPORTER": "none"},
    ) as process:
        address, reader = _listening(process)
        world = RegistryWorld(address, _basic() if auth and "htpasswd" in auth else {})
        try:
            yield world
        finally:
            world.close()
            process.terminate()
            reader.join()


def htpasswd(directory: Path) -> Mapping[str, Any]:
    file = directory / "htpasswd"
    file.write_text(f"{USER}:{_HTPASSWD}\n")
    return {"htpasswd": {"realm": "tests", "path": str(file)}}


def _basic() -> Mapping[str, str]:
    return urllib3.make_headers(basic_auth=f"{USER}:{PASSWORD}")


def _listening(process: subprocess.Popen[bytes]) -> tuple[str, threading.Thread]:
    """Read host:port from the registry's log: it chose a free one. The log is drained, so that it never blocks."""
    found: queue.Queue[str] = queue.Queue()

    def read() -> None:
        said = []
        for line in process.stderr or ():
            said.append(line.decode(errors="replace"))
            if b"listening on " in line:
                found.put(str(json.loads(line)["msg"]).removeprefix("listening on ").partition(",")[0])
        found.put(f"it ended: {''.join(said[-5:])}")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    address = found.get(timeout=120)
    assert address.startswith("127.0.0.1:"), address
    return address, reader
