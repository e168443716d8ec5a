"""Requests to an API server that is slow, busy or silent: a small real HTTP server with adjustable answers."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.adapters.kubernetes.kubeconfig import ClusterAccess
from gitops.core.errors import Unavailable


class Server(ThreadingHTTPServer):
    """HTTP server. `throttled`: number of requests that it answers with 429 first, with `retry_after` as Retry-After.
    `gate` holds answers back until it is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.throttled = 0
        self.retry_after = "0.2"
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()
        self.arrived = threading.Semaphore(0)
        self.present, self.most = 0, 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.present += 1
            server.most = max(server.most, server.present)
            status = 429 if server.throttled else 200
            server.throttled = max(0, server.throttled - 1)
        server.arrived.release()
        server.gate.wait()
        with server.lock:
            server.present -= 1
        content = b'{"kind": "Thing"}' if status == 200 else b"slow down"
        self.send_response(status)
        self.send_header("Retry-After", server.retry_after)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def access(server: Server, tmp_path: Path) -> ClusterAccess:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content))
    return ClusterAccess(path, allow_insecure=True)


THING = ApiRequest("GET", "/thing", "Thing a")


def test_request_is_retried_after_the_time_of_retry_after(server: Server, access: ClusterAccess) -> None:
    server.throttled = 2
    begun = time.monotonic()
    assert KubernetesApi(access).request(THING).body == {"kind": "Thing"}
    assert time.monotonic() - begun >= 2 * float(server.retry_after)


@pytest.mark.parametrize(("throttled", "retry_after"), [(3, "0.1"), (1, "60")], ids=["again and again", "much later"])
def test_request_to_a_server_that_stays_busy_is_unavailable(
    server: Server, access: ClusterAccess, throttled: int, retry_after: str
) -> None:
    server.throttled, server.retry_after = throttled, retry_after
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="Thing a") as caught:
        KubernetesApi(access).request(THING)
    assert (caught.value.reason, caught.value.retry_after) == ("TooManyRequests", float(retry_after))
    assert time.monotonic() - begun < 5.0


def test_request_to_a_silent_server_is_unavailable_after_its_time_limit(server: Server, access: ClusterAccess) -> None:
    server.gate.clear()
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer"):
        KubernetesApi(access).request(ApiRequest("GET", "/thing", "Thing a", seconds=0.3))
    assert time.monotonic() - begun < 2.0


def test_requests_in_parallel_are_limited_except_urgent_ones(server: Server, access: ClusterAccess) -> None:
    api = KubernetesApi(access, parallel=2)
    server.gate.clear()
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(api.request, THING) for _ in range(6)]
        for _ in range(2):
            assert server.arrived.acquire(timeout=10)
        urgent = threads.submit(api.request, ApiRequest("GET", "/lease", "Lease", urgent=True))
        assert server.arrived.acquire(timeout=10)
        assert server.most == 3
        server.gate.set()
        assert [each.result().body for each in (*waiting, urgent)] == [{"kind": "Thing"}] * 7
    assert server.most == 3


def test_request_to_a_missing_server_is_unavailable(server: Server, access: ClusterAccess) -> None:
    server.server_close()
    with pytest.raises(Unavailable, match="did not answer") as caught:
        KubernetesApi(access).request(THING)
    assert caught.value.reason == "Unreachable"
    assert "0x" not in str(caught.value)
