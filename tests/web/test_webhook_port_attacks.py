"""Attacks on the webhook port over real sockets, measured on the process that serves it."""

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.image_updates.test_committer import until
from tests.web.test_listener import MEBIBYTE, Answer, ask, connect, is_closed, read_answer
from tests.webhooks import recorded
from tests.webhooks.test_receivers import PUSH
from tests.worlds.webhook_port_process import DoorProcess, running

pytestmark = pytest.mark.alone

HUGE = 100 * MEBIBYTE
GITHUB_CAP = 25 * MEBIBYTE
PIECE = b"x" * 65536


@pytest.fixture
def door(tmp_path: Path) -> Iterator[DoorProcess]:
    with running(tmp_path) as process:
        yield process


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


BEARER = f"Authorization: {recorded.HARBOR_SECRET.decode()}"
WELL_FORMED = "X-Hub-Signature-256: sha256=" + "0" * 64
JSON = "Content-Type: application/json"


def send_genuine(port: int) -> Answer:
    """Send a webhook as Harbor does, with the right secret."""
    with connect(port) as client:
        client.sendall(head("/hooks/harbor", JSON, BEARER, f"Content-Length: {len(PUSH.body)}") + PUSH.body)
        return read_answer(client)


def page(port: int) -> Answer:
    return ask(port, "GET / HTTP/1.1\nHost: x")


def assert_both_serve(door: DoorProcess) -> None:
    assert send_genuine(door.hooks).status == 200
    assert page(door.page).body == b"page"


def send_until_closed(client: socket.socket, piece: bytes, door: DoorProcess) -> int:
    """Send up to 100 MiB until the server closes the connection. Returns the peak of its resident memory in bytes."""
    peak = door.resident()
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        for _ in range(HUGE // len(PIECE)):
            client.sendall(piece)
            peak = max(peak, door.resident())
        pytest.fail("all 100 MiB were taken")
    return peak


@pytest.mark.parametrize(
    ("path", "shown", "cap"),
    [
        ("/hooks/harbor", BEARER, MEBIBYTE),
        ("/hooks/harbor", "Authorization: guess", MEBIBYTE),
        ("/hooks/nobody", "X-Nothing: x", MEBIBYTE),
        ("/hooks/github", WELL_FORMED, GITHUB_CAP),
    ],
    ids=["harbor", "stranger", "unknown name", "forged signature"],
)
@pytest.mark.parametrize("framing", ["declared", "chunked"])
def test_a01_body_of_100_mebibytes_is_cut_off_and_does_not_stay_in_memory(
    door: DoorProcess, path: str, shown: str, cap: int, framing: str
) -> None:
    assert_both_serve(door)
    before = door.resident()
    length = "Transfer-Encoding: chunked" if framing == "chunked" else f"Content-Length: {HUGE}"
    piece = b"10000\r\n" + PIECE + b"\r\n" if framing == "chunked" else PIECE
    with connect(door.hooks) as client:
        client.sendall(head(path, JSON, shown, length))
        peak = send_until_closed(client, piece, door)
    assert peak - before < 2 * cap
    assert_both_serve(door)


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", f"Content-Length: {HUGE}"])
def test_a01_body_of_100_mebibytes_is_413_and_closes_the_connection(door: DoorProcess, framing: str) -> None:
    with connect(door.hooks) as client:
        client.sendall(head("/hooks/harbor", JSON, BEARER, framing))
        if "chunked" in framing:
            client.sendall((b"10000\r\n" + PIECE + b"\r\n") * 17)
        answer = read_answer(client)
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
        assert is_closed(client)


@pytest.mark.parametrize("kind", ["gitea", "forgejo", "gogs"])
def test_a01_form_of_escapes_costs_no_more_memory_than_its_size(door: DoorProcess, kind: str) -> None:
    """These senders sign the payload of a form. Unpacking it before verification would cost many times its size."""
    assert_both_serve(door)
    before = door.resident()
    body = b"payload=" + b"%41" * ((GITHUB_CAP - 8) // 3)
    shown = (f"X-{kind}-Signature: {'0' * 64}", "Content-Type: application/x-www-form-urlencoded")
    with connect(door.hooks) as client, ThreadPoolExecutor(1) as other:
        client.sendall(head(f"/hooks/{kind}", *shown, f"Content-Length: {len(body)}") + body)
        answer = other.submit(read_answer, client)
        peak = door.resident()
        while not answer.done():
            peak = max(peak, door.resident())
        assert answer.result().status == 401
    assert peak - before < 4 * GITHUB_CAP
    assert_both_serve(door)


def test_a01_large_bodies_with_forged_signatures_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A signature can be verified only when the whole body has arrived, so few large bodies may arrive at once."""
    with running(tmp_path, large=2) as door, contextlib.ExitStack() as held:
        assert_both_serve(door)
        announced = head("/hooks/github", JSON, WELL_FORMED, f"Content-Length: {GITHUB_CAP}")
        clients = [held.enter_context(connect(door.hooks)) for _ in range(2)]
        for client in clients:
            client.sendall(announced + PIECE)
        assert send_genuine(door.hooks).status == 200
        third = ask(door.hooks, announced.decode().rstrip().replace("\r\n", "\n"))
        assert (third.status, json.loads(third.body)["error"]["reason"]) == (503, "Busy")
        clients[0].close()
        body = b" " * (4 * MEBIBYTE) + b"{}"
        mac = hmac.new(recorded.GITEA_SECRET, body, hashlib.sha256).hexdigest()
        right = (f"X-Hub-Signature-256: sha256={mac}", "X-GitHub-Event: ping", f"Content-Length: {len(body)}")
        until_admitted(door.hooks, head("/hooks/github", JSON, *right), body)


def test_small_chunked_body_does_not_count_as_large(tmp_path: Path) -> None:
    """A proxy may pass a webhook on in chunks, and a thousand webhooks may wait for their commits at once."""
    with running(tmp_path, large=0) as door, connect(door.hooks) as client:
        chunk = f"{len(PUSH.body):x}".encode() + b"\r\n" + PUSH.body + b"\r\n0\r\n\r\n"
        client.sendall(head("/hooks/harbor", JSON, BEARER, "Transfer-Encoding: chunked") + chunk)
        assert read_answer(client).status == 200
        client.sendall(head("/hooks/harbor", JSON, BEARER, "Transfer-Encoding: chunked") + b"10001\r\n" + PIECE + b"xx")
        assert read_answer(client).status == 503


def until_admitted(port: int, announced: bytes, body: bytes) -> None:
    """Send until the body is admitted. The server frees the place of a closed connection a moment later."""
    for _ in range(200):
        with connect(port) as client:
            client.sendall(announced)
            client.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                if client.recv(1, socket.MSG_PEEK):
                    continue  # refused: try again
            client.settimeout(20)
            client.sendall(body)
            assert read_answer(client).status == 200
            return
    pytest.fail("no large body is admitted any more")


def test_a02_idle_and_incomplete_requests_block_no_other_client(tmp_path: Path) -> None:
    """Of 1000 sockets on both ports a third sends nothing, a third stops in a header, a third stops in a body."""
    starts = [b"", b"POST /hooks/harbor HTTP/1.1\r\nHost: ", head("/hooks/harbor", BEARER, "Content-Length: 99") + b"{"]
    with running(tmp_path, arrival=60, idle=60) as door, contextlib.ExitStack() as idle:
        for count in range(1000):
            client = idle.enter_context(connect(door.hooks if count % 2 else door.page))
            client.sendall(starts[count % 3])
        for _ in range(20):
            assert_both_serve(door)
        idle.close()
        assert_both_serve(door)


@pytest.mark.parametrize("files", [256, 1024])
def test_a02_idle_sockets_block_no_other_client_at_a_low_file_limit(tmp_path: Path, files: int) -> None:
    with running(tmp_path, arrival=60, idle=60, files=files) as door, contextlib.ExitStack() as idle:
        for _ in range(files + 100):
            idle.enter_context(connect(door.hooks))
        for _ in range(20):
            assert_both_serve(door)
        assert door.open_files() < files
        assert sum("few connections" in line for line in door.logged()) == 2, "one line for each listener"
        assert not any("too many open files" in line for line in door.logged())


def test_a02_out_of_files_closes_the_longest_idle_and_does_not_spin(tmp_path: Path) -> None:
    """Another part of the process may hold the files, so the listener's own share does not protect it."""
    with running(tmp_path, arrival=60, idle=60, more_files=12) as door, contextlib.ExitStack() as idle:
        for _ in range(100):
            idle.enter_context(connect(door.hooks))
        for _ in range(20):
            assert send_genuine(door.hooks).status == 200

        def fill() -> bool:
            """Adds idle connections: the listener may yet close the file of a request that was answered."""
            if door.open_files() < door.most_files():
                idle.enter_context(connect(door.hooks))
            return door.open_files() == door.most_files()

        until(fill)
        waiting = idle.enter_context(connect(door.page))
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # this port has no idle connection to close
        spent = door.cpu_seconds()
        waiting.settimeout(3)
        with pytest.raises(TimeoutError):
            waiting.recv(1, socket.MSG_PEEK)
        assert door.cpu_seconds() - spent < 0.5
        assert send_genuine(door.hooks).status == 200  # its file is free afterwards
        waiting.settimeout(20)
        assert read_answer(waiting).status == 200
        assert 1 <= sum("too many open files" in line for line in door.logged()) <= 2, "one line for each listener"
        idle.pop_all().close()
        assert_both_serve(door)


def test_a02_slow_loris_is_cut_off_while_it_still_sends(tmp_path: Path) -> None:
    with running(tmp_path, arrival=1, idle=60) as door, connect(door.hooks) as client:
        client.sendall(head("/hooks/harbor", BEARER, "Content-Length: 1000"))
        client.settimeout(0.1)
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            for _ in range(600):
                client.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not client.recv(1):
                        break
            else:
                pytest.fail("the connection was open for a minute")
        assert_both_serve(door)


FLOOD = 10_000
CLIENTS = 20


def flood(port: int, answers: Counter[int], lock: threading.Lock) -> None:
    """Send webhooks with guessed names, secrets and signatures, one after another over one connection."""
    shown = ["Authorization: guess", WELL_FORMED, "X-Gitlab-Token: guess", "X-Nothing: x", "X-Hub-Signature: sha1=0"]
    names = ["harbor", "github", "gitlab", "nobody", "bitbucket-cloud"]
    with connect(port) as client:
        for count in range(FLOOD // CLIENTS):
            request = head(
                f"/hooks/{names[count % 5]}", JSON, shown[count // 5 % 5], f"Content-Length: {len(PUSH.body)}"
            )
            client.sendall(request + PUSH.body)
            status = read_answer(client).status
            with lock:
                answers[status] += 1


def test_a12_unauthenticated_flood_costs_no_disk_no_log_and_no_memory(door: DoorProcess) -> None:
    assert_both_serve(door)
    before, files, touched = door.resident(), door.open_files(), door.scratch.stat().st_mtime_ns
    answers, lock = Counter[int](), threading.Lock()
    clients = [threading.Thread(target=flood, args=(door.hooks, answers, lock)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    assert_both_serve(door)
    for client in clients:
        client.join()
    assert set(answers) == {401, 429}
    assert answers.total() == FLOOD
    assert_both_serve(door)
    assert door.scratch.stat().st_mtime_ns == touched, "it wrote temporary files"
    assert door.resident() - before < 16 * MEBIBYTE
    assert door.open_files() <= files + CLIENTS
    refusals = [line for line in door.logged() if "unauthenticated requests refused" in line]
    assert 1 <= len(refusals) <= 2, "one line a minute"
    assert len(door.logged()) < 20
