"""A proxy between the controller and the real API server: it counts what passes and can act between request and answer.

Plain HTTP towards the controller, TLS towards the API server. Answers are streamed, so that watches work through it.
"""

import http.client
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str

    @property
    def is_write(self) -> bool:
        """True for what changes the cluster; dry runs, Leases and Events are counted apart."""
        if self.method in {"GET", "HEAD"} or "dryRun=All" in self.path:
            return False
        return "/leases" not in self.path and "/events" not in self.path


@dataclass(slots=True)
class Traffic:
    """What passed. `before` and `after` are called around the forwarding of each request, in its thread."""

    requests: list[Request] = field(default_factory=list)
    before: Callable[[Request], None] = lambda _: None
    after: Callable[[Request], None] = lambda _: None

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.is_write]


class ApiProxy:
    """Use as a context manager; `kubeconfig` is the file for the controller, `traffic` what it did."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        upstream = urlsplit(cluster["server"])
        context = _context(cluster, user)
        self.traffic = Traffic()
        handler = _handler(self.traffic, lambda: http.client.HTTPSConnection(upstream.netloc, context=context, timeout=600))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._server.server_port}"}
        self.kubeconfig = directory / "kubeconfig-through-proxy"
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def __enter__(self) -> "ApiProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _context(cluster: dict[str, str], user: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    if "certificate-authority-data" in cluster:
        import base64

        context.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context


def _handler(traffic: Traffic, connect: Callable[[], http.client.HTTPSConnection]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            request = Request(self.command, self.path)
            traffic.requests.append(request)
            traffic.before(request)
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            upstream = connect()
            try:
                upstream.request(self.command, self.path, body=body, headers=headers)
                answer = upstream.getresponse()
                traffic.after(request)
                self._answer(answer)
            except (BrokenPipeError, ConnectionError, TimeoutError, http.client.HTTPException):
                self.close_connection = True
            finally:
                upstream.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length")
            self.send_header(*(("Content-Length", length) if length else ("Transfer-Encoding", "chunked")))
            self.end_headers()
            while chunk := answer.read1(65536):
                self.wfile.write(chunk if length else b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            if not length:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward

        def log_message(self, *_: Any) -> None:
            """Quiet: what passed stands in the traffic."""

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Handler
