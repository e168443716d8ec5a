"""The webhook port: a real listener and the real webhook application. Only the inbox is a fake."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from flask import Blueprint

from gitops.core.errors import Unavailable
from gitops.core.image_updates.events import Event
from gitops.web.apps import create_page_app, create_webhook_app
from gitops.web.connection import SECURITY_HEADERS
from gitops.web.listener import Listener, ListenerLimits
from tests.web.test_listener import MEBIBYTE, ask, connect, is_closed, read_answer, resident
from tests.webhooks import recorded
from tests.webhooks.test_receivers import PUSH, SENDERS
from tests.worlds.webhooks import FixedProbes, WebhookParties
from webhooks.sender import body_limit

WELL = FixedProbes()
STORM = 1000


@dataclass
class WaitingInbox:
    """Inbox that holds every delivery until `release` is set or the deadline passes."""

    expected: int = 1
    entered: int = 0
    all_here: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, events: Sequence[Event], *, delivery: str, deadline: float) -> Sequence[str]:
        with self.lock:
            self.entered += 1
            if self.entered == self.expected:
                self.all_here.set()
        if not self.release.wait(deadline):
            raise Unavailable("DeadlineExceeded", "not durable in time")
        return [f"{delivery}: done"] * len(events)


@pytest.fixture
def inbox() -> WaitingInbox:
    return WaitingInbox()


@pytest.fixture
def port(inbox: WaitingInbox) -> Iterator[int]:
    inputs = WebhookParties(deadline=20).inputs(SENDERS, inbox)
    limits = ListenerLimits(threads=STORM + 24, body=body_limit(SENDERS), arrival=30, idle=30)
    listener = Listener(create_webhook_app(inputs, WELL), "127.0.0.1", 0, limits)
    yield listener.start()[1]
    listener.stop(within=5)


def head(length: int, secret: str = recorded.HARBOR_SECRET.decode(), path: str = "/hooks/harbor") -> str:
    lines = ["Host: x", "Content-Type: application/json", f"Authorization: {secret}", f"Content-Length: {length}"]
    return "\n".join([f"POST {path} HTTP/1.1", *lines])


def encode_delivery() -> bytes:
    return head(len(PUSH.body)).replace("\n", "\r\n").encode() + b"\r\n\r\n" + PUSH.body


def test_webhook_delivery_is_accepted(port: int, inbox: WaitingInbox) -> None:
    inbox.release.set()
    answer = ask(port, head(len(PUSH.body)), PUSH.body)
    assert answer.status == 200
    assert b"done" in answer.body
    assert SECURITY_HEADERS.items() <= answer.headers.items()


def test_webhook_deliveries_wait_at_once_and_are_all_answered(port: int, inbox: WaitingInbox) -> None:
    """Each of 1000 deliveries holds a thread until its commit is durable. The page has a pool of its own."""
    inbox.expected = STORM
    page = Blueprint("page", __name__)
    page.add_url_rule("/", "index", lambda: "page")
    page_listener = Listener(create_page_app(page, WELL), "127.0.0.1", 0)
    _, page_port = page_listener.start()
    with contextlib.ExitStack() as storm:
        clients = [storm.enter_context(connect(port)) for _ in range(STORM)]
        for client in clients:
            client.sendall(encode_delivery())
        assert inbox.all_here.wait(20)
        assert ask(page_port, "GET / HTTP/1.1\nHost: x").body == b"page"
        assert ask(port, "GET /healthz HTTP/1.1\nHost: x").body == b"ok\n"
        inbox.release.set()
        assert {read_answer(client).status for client in clients} == {200}
    page_listener.stop()


def test_a01_body_over_one_mebibyte_is_413_even_with_the_secret_of_harbor(port: int, inbox: WaitingInbox) -> None:
    before = resident()
    with connect(port) as client:
        client.sendall(head(100 * MEBIBYTE).replace("\n", "\r\n").encode() + b"\r\n\r\n")
        assert read_answer(client).status == 413
        assert is_closed(client)
    assert resident() - before < 2 * MEBIBYTE
    assert inbox.entered == 0


def test_a12_unauthenticated_request_is_refused_before_a_large_body_is_read(port: int, inbox: WaitingInbox) -> None:
    assert ask(port, head(len(PUSH.body), "guess"), PUSH.body).status == 401
    assert ask(port, head(len(PUSH.body), path="/hooks/nobody"), PUSH.body).status == 401
    for name in ("harbor", "git", "nobody"):
        assert ask(port, head(MEBIBYTE, "guess", f"/hooks/{name}"), b"").status == 413
    assert inbox.entered == 0


def test_a05_two_authorization_headers_are_refused(port: int, inbox: WaitingInbox) -> None:
    doubled = head(len(PUSH.body)) + f"\nAuthorization: {recorded.HARBOR_SECRET.decode()}"
    assert ask(port, doubled, PUSH.body).status == 401


def test_webhook_deliveries_on_one_connection_are_answered_one_by_one(port: int, inbox: WaitingInbox) -> None:
    inbox.release.set()
    with connect(port) as client:
        for _ in range(2):
            client.sendall(encode_delivery())
            assert read_answer(client).status == 200
    assert inbox.entered == 2
