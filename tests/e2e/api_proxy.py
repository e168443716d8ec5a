"""A proxy between the controller and the real API server: it records requests, and acts before or after one.

It presents the API server's own certificate, so that the controller verifies it as usual. Answers are streamed, so
watches work.
"""

import http.client
import json
import re
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: str = ""
    body: bytes = b""

    @property
    def is_write(self) -> bool:
        """True for requests that change the cluster, except dry runs, Leases and Events."""
        if self.method in {"GET", "HEAD"} or "dryRun=All" in self.query:
            return False
        return "/leases" not in self.path and "/events" not in self.path

    @property
    def target(self) -> str:
        """The path of the written object; a create request has the name in its body only."""
        if self.method != "POST":
            return self.path
        return f"{self.path}/{json.loads(self.body)['metadata'].get('name', '')}"

    def is_(self, method: str, target: str) -> bool:
        """True for a write with one of these methods (`PUT|POST`) to a target that the expression matches."""
        if not self.is_write or self.method not in method.split("|"):
            return False
        return re.fullmatch(target, self.target) is not None


@dataclass(frozen=True, slots=True)
class Passed:
    """A request and the status of its answer; 0 if it did not reach the API server."""

    request: Request
    status: int


@dataclass(slots=True)
class Trap:
    """Calls `act` once, at the n-th request that `matches`: `before` instead of forwarding it, else after the API
    server has answered. The controller gets no answer in both cases.
    """

    matches: Callable[[Request], bool]
    act: Callable[[], None]
    before: bool
    nth: int = 1
    sprung: threading.Event = field(default_factory=threading.Event)


class Dropped(ConnectionError):
    """The request or its answer is not passed on: the connection is cut."""


class Traffic:
    """The recorded requests and the traps. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed: list[Passed] = []
        self._traps: list[Trap] = []
        self.inspect: Callable[[Passed], None] = lambda _: None

    def passed(self) -> list[Passed]:
        with self._lock:
            return list(self._passed)

    def writes(self, since: int = 0) -> list[Request]:
        return [each.request for each in self.passed()[since:] if each.request.is_write]

    def set(self, trap: Trap) -> Trap:
        with self._lock:
            self._traps.append(trap)
        return trap

    def coming(self, request: Request) -> Trap | None:
        """The trap that this request triggers. A trap of the kind `before` acts here."""
        with self._lock:
            for trap in [each for each in self._traps if each.matches(request)]:
                trap.nth -= 1
                if trap.nth == 0:
                    self._traps.remove(trap)
                    break
            else:
                return None
        if trap.before:
            _spring(trap)
            raise Dropped
        return trap

    def note(self, passed: Passed, trap: Trap | None) -> None:
        with self._lock:
            self._passed.append(passed)
        if trap is not None:
            _spring(trap)
        if passed.status:
            self.inspect(passed)


def _spring(trap: Trap) -> None:
    trap.act()
    trap.sprung.set()


class ApiProxy:
    """A context manager. `kubeconfig` is the file for the controller, `traffic` records its requests."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        upstream = urlsplit(cluster["server"])
        context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
        certificates = kubeconfig.parent / "certificates"
        self.traffic = Traffic()
        self._whole = threading.Event()
        self._whole.set()
        self._server = _Server(self, lambda: http.client.HTTPSConnection(upstream.netloc, context=context))
        self._server.context.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        cluster["server"] = f"https://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = directory / "kubeconfig-through-proxy"
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.break_connections()

    @property
    def is_whole(self) -> bool:
        return self._whole.is_set()

    def cut(self) -> None:
        """Makes the API server unreachable: existing and new connections break."""
        self._whole.clear()
        self._server.break_connections()

    def mend(self) -> None:
        self._whole.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: ApiProxy, connect: Callable[[], http.client.HTTPSConnection]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.connect = connect
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        # The TLS handshake happens in the connection's own thread, so that a stopped client does not block the others.
        wrapped = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        with suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Prints nothing, because the tests kill clients all the time."""

    def break_connections(self) -> None:
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection of the controller, with its own connection to the API server."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPSConnection | None = None

    def _forward(self) -> None:
        try:
            if not self.server.proxy.is_whole:
                raise Dropped
            self._exchange(self._read())
        except (OSError, http.client.HTTPException):
            self.close_connection = True

    def _read(self) -> Request:
        length = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.path)
        return Request(self.command, parts.path, parts.query, self.rfile.read(length) if length else b"")

    def _exchange(self, request: Request) -> None:
        traffic = self.server.proxy.traffic
        trap = traffic.coming(request)
        answer = self._ask(request, {name: value for name, value in self.headers.items() if name.lower() not in _HOP})
        traffic.note(Passed(request, answer.status), trap)
        if trap is not None:
            raise Dropped
        self._answer(answer)

    def _ask(self, request: Request, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Uses the connection of the last request, or a new one if the API server has closed it."""
        if self._upstream is not None:
            with suppress(http.client.RemoteDisconnected, BrokenPipeError):
                return self._asked(self._upstream, request, headers)
        self._upstream = self.server.connect()
        return self._asked(self._upstream, request, headers)

    def _asked(
        self, upstream: http.client.HTTPSConnection, request: Request, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        upstream.request(self.command, self.path, body=request.body or None, headers=headers)
        return upstream.getresponse()

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length")
        self.send_header(*(("Content-Length", length) if length else ("Transfer-Encoding", "chunked")))
        self.end_headers()
        self.wfile.flush()
        while chunk := answer.read1(65536):
            self.wfile.write(chunk if length else b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        if not length:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        answer.close()  # the connection stays and is ready for the next request

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError):
            super().finish()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Prints nothing, because Traffic records the requests."""
