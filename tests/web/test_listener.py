"""The listener over real sockets: limits on bodies, headers, time and connections; its threads; how it stops."""

import contextlib
import gc
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request

from gitops.core.errors import Rejected
from gitops.web.apps import create_page_app
from gitops.web.connection import SECURITY_HEADERS
from gitops.web.listener import Listener, ListenerLimits
from tests.worlds.webhooks import FixedProbes
from webhooks.receivers import ARRIVED

MEBIBYTE = 1024 * 1024


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_answer(client: socket.socket) -> Answer:
    stream = client.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    return Answer(status, headers, stream.read(int(headers["Content-Length"])))


def ask(port: int, head: str, body: bytes = b"") -> Answer:
    with connect(port) as client:
        client.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return read_answer(client)


def is_closed(client: socket.socket) -> bool:
    """Wait until the other side closes the connection."""
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@dataclass
class Echo:
    """Application that answers with the size or age of a request. /wait answers after `leave` is set."""

    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    leave: threading.Event = field(default_factory=threading.Event)

    def app(self) -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/size", "size", lambda: str(len(request.get_data())), methods=["POST"])
        app.add_url_rule("/age", "age", lambda: str(time.monotonic() - request.environ[ARRIVED]))
        app.add_url_rule("/wait", "wait", self._wait)
        return app

    def _wait(self) -> str:
        self.entered.release()
        self.leave.wait(20)
        return "waited"


def mebibyte_for_friends(path: str, headers: Mapping[str, str]) -> int:
    return MEBIBYTE if path == "/size" and headers.get("authorization") == "friend" else 1024


Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Listener] = []

    def start_one(app: Any, **limits: Any) -> int:
        listener = Listener(app, "127.0.0.1", 0, ListenerLimits(**({"body": mebibyte_for_friends} | limits)))
        running.append(listener)
        return listener.start()[1]

    yield start_one
    for listener in running:
        listener.stop(within=1)


def test_listener_answers_without_a_server_header(start: Start) -> None:
    answer = ask(start(Echo().app()), "POST /size HTTP/1.1\nHost: x\nContent-Length: 3", b"abc")
    assert (answer.status, answer.body) == (200, b"3")
    assert "Server" not in answer.headers


def test_a01_declared_body_over_the_limit_is_413_before_it_is_sent(start: Start) -> None:
    port = start(Echo().app())
    head = f"POST /size HTTP/1.1\nHost: x\nAuthorization: friend\nContent-Length: {100 * MEBIBYTE}"
    with connect(port) as client:
        client.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        answer = read_answer(client)
        assert answer.status == 413
        assert json.loads(answer.body)["error"]["reason"] == "TooLarge"
        assert answer.headers["Connection"] == "close"
        assert SECURITY_HEADERS.items() <= answer.headers.items()
        assert is_closed(client)


def test_body_of_exactly_the_limit_is_accepted(start: Start) -> None:
    port = start(Echo().app())
    head = f"POST /size HTTP/1.1\nHost: x\nAuthorization: friend\nContent-Length: {MEBIBYTE}"
    assert ask(port, head, b"x" * MEBIBYTE).body == str(MEBIBYTE).encode()
    assert ask(port, head.replace(str(MEBIBYTE), str(MEBIBYTE + 1)), b"x").status == 413


def test_body_limit_depends_on_path_and_headers(start: Start) -> None:
    port = start(Echo().app())
    assert ask(port, "POST /size HTTP/1.1\nHost: x\nContent-Length: 1024", b"x" * 1024).status == 200
    assert ask(port, "POST /size HTTP/1.1\nHost: x\nContent-Length: 1025", b"x").status == 413


@pytest.mark.parametrize("framing", ["chunked", "declared"])
def test_a01_body_of_100_mebibytes_does_not_stay_in_memory(start: Start, framing: str) -> None:
    port = start(Echo().app())
    gc.collect()
    before = resident()
    peak = before
    length = "Transfer-Encoding: chunked" if framing == "chunked" else f"Content-Length: {100 * MEBIBYTE}"
    piece = b"x" * 65536
    chunk = b"10000\r\n" + piece + b"\r\n" if framing == "chunked" else piece
    with connect(port) as client:
        client.sendall(f"POST /size HTTP/1.1\r\nHost: x\r\nAuthorization: friend\r\n{length}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(100 * MEBIBYTE // len(piece)):
                client.sendall(chunk)
                peak = max(peak, resident())
            pytest.fail("all 100 MiB were taken")
    assert peak - before < 2 * MEBIBYTE
    assert ask(port, "GET /age HTTP/1.1\nHost: x").status == 200


def test_a01_chunked_body_over_the_limit_is_413(start: Start) -> None:
    body = b"800\r\n" + b"x" * 2048 + b"\r\n"
    assert ask(start(Echo().app()), "POST /size HTTP/1.1\nHost: x\nTransfer-Encoding: chunked", body).status == 413


def test_chunk_header_without_end_is_refused(start: Start) -> None:
    port = start(Echo().app())
    head = "POST /size HTTP/1.1\nHost: x\nAuthorization: friend\nTransfer-Encoding: chunked"
    assert ask(port, head, b"1;" + b"x" * 5000).status == 400


def test_request_headers_without_end_are_refused(start: Start) -> None:
    answer = ask(start(Echo().app()), "GET / HTTP/1.1\nX: " + "x" * 40_000)
    assert answer.status == 431
    assert SECURITY_HEADERS.items() <= answer.headers.items()


def test_request_that_is_not_http_is_refused(start: Start) -> None:
    assert ask(start(Echo().app()), "\x16\x03\x01 not http").status == 400


def test_a02_request_that_arrives_too_slowly_is_cut_off(start: Start) -> None:
    """Each byte counts as activity, so only the limit on the whole request applies."""
    port = start(Echo().app(), arrival=1, idle=60)
    with connect(port) as client:
        started = time.monotonic()
        client.sendall(b"POST /size HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        client.settimeout(0.1)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 10:
                client.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not client.recv(1):
                        break
        assert time.monotonic() - started < 5


def test_connection_that_is_idle_is_closed(start: Start) -> None:
    port = start(Echo().app(), idle=1)
    with connect(port) as client:
        assert is_closed(client)


def test_a02_idle_connections_block_no_other_client(start: Start) -> None:
    """Half of the 1000 connections send nothing, half stop in a header, on the webhook port and on the page's port."""
    page = Blueprint("page", __name__)
    page.add_url_rule("/", "index", lambda: "page")
    page_port = start(create_page_app(page, FixedProbes()), idle=60, arrival=60)
    hooks_port = start(Echo().app(), idle=60, arrival=60)
    with contextlib.ExitStack() as idle:
        for count in range(1000):
            client = idle.enter_context(connect(hooks_port if count % 2 else page_port))
            if count % 4 < 2:
                client.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert ask(page_port, "GET / HTTP/1.1\nHost: x").body == b"page"
        assert ask(hooks_port, "POST /size HTTP/1.1\nHost: x\nContent-Length: 2", b"ab").body == b"2"


def test_connection_limit_closes_the_longest_idle_one(start: Start) -> None:
    port = start(Echo().app(), connections=10, idle=60, arrival=60)
    with contextlib.ExitStack() as idle:
        clients = [idle.enter_context(connect(port)) for _ in range(10)]
        assert ask(port, "GET /age HTTP/1.1\nHost: x").status == 200
        assert is_closed(clients[0])
        clients[9].sendall(b"GET /age HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(clients[9]).status == 200


def test_threads_serve_as_many_requests_at_once_as_the_limit(start: Start) -> None:
    echo = Echo()
    port = start(echo.app(), threads=200)
    with contextlib.ExitStack() as waiting:
        clients = [waiting.enter_context(connect(port)) for _ in range(200)]
        for client in clients:
            client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in clients:
            assert echo.entered.acquire(timeout=20)
        echo.leave.set()
        assert {read_answer(client).body for client in clients} == {b"waited"}


def test_threads_are_started_on_demand(start: Start) -> None:
    port = start(Echo().app(), threads=1000)
    before = threading.active_count()
    for _ in range(20):
        assert ask(port, "GET /age HTTP/1.1\nHost: x").status == 200
    assert threading.active_count() - before < 20


def test_threads_that_are_idle_end(start: Start) -> None:
    echo = Echo()
    port = start(echo.app(), threads=200, idle=1)
    before = threading.active_count()
    with contextlib.ExitStack() as waiting:
        clients = [waiting.enter_context(connect(port)) for _ in range(100)]
        for client in clients:
            client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in clients:
            assert echo.entered.acquire(timeout=20)
        assert threading.active_count() - before >= 90
        echo.leave.set()
        assert {read_answer(client).body for client in clients} == {b"waited"}
    deadline, tick = time.monotonic() + 20, threading.Event()
    while threading.active_count() - before > 5:
        assert time.monotonic() < deadline, "the idle threads are still running"
        tick.wait(0.05)
    assert ask(port, "GET /age HTTP/1.1\nHost: x").status == 200


def test_request_clock_starts_with_its_first_byte(start: Start) -> None:
    port = start(Echo().app())
    with connect(port) as client:
        client.sendall(b"GET /age HTTP/1.1\r\n")
        threading.Event().wait(0.3)
        client.sendall(b"Host: x\r\n\r\n")
        assert 0.25 < float(read_answer(client).body) < 5


def test_stop_finishes_requests_in_flight_and_accepts_no_more() -> None:
    echo = Echo()
    listener = Listener(echo.app(), "127.0.0.1", 0)
    _, port = listener.start()
    with connect(port) as idle, connect(port) as busy:
        busy.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert echo.entered.acquire(timeout=20)
        stopper = threading.Thread(target=listener.stop)
        stopper.start()
        assert is_closed(idle)
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        echo.leave.set()
        assert read_answer(busy).body == b"waited"
        stopper.join(20)
    assert not listener.is_alive()
    listener.stop()


def test_stop_ends_after_its_time_limit() -> None:
    echo = Echo()
    listener = Listener(echo.app(), "127.0.0.1", 0)
    _, port = listener.start()
    with connect(port) as busy:
        busy.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert echo.entered.acquire(timeout=20)
        started = time.monotonic()
        listener.stop(within=0.2)
        assert time.monotonic() - started < 5
        echo.leave.set()
    assert not listener.is_alive()


def test_port_in_use_is_an_error_that_names_lockstep_yaml(start: Start) -> None:
    port = start(Echo().app())
    with pytest.raises(Rejected, match=f"127.0.0.1:{port}.*lockstep.yaml"):
        Listener(Echo().app(), "127.0.0.1", port).start()


def test_listener_serves_ipv6() -> None:
    listener = Listener(Echo().app(), "::1", 0)
    try:
        host, port = listener.start()
    except Rejected:
        pytest.skip("no IPv6 on this machine")
    with socket.create_connection((host, port), timeout=20) as client:
        client.sendall(b"GET /age HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client).status == 200
    listener.stop()
