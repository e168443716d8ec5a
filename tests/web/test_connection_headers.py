"""The security headers on every answer of all three ports, over real sockets: answers of the applications, to malformed
requests, and of the WSGI server itself.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Blueprint
from prometheus_client import CollectorRegistry

from gitops.web.apps import create_metrics_app, create_page_app, create_webhook_app
from gitops.web.connection import SECURITY_HEADERS
from gitops.web.listener import Listener, ListenerLimits
from tests.web.test_listener import Answer, ask
from tests.web.test_webhook_port import WaitingInbox, head
from tests.webhooks.test_receivers import PUSH, SENDERS
from tests.worlds.webhooks import FixedProbes, WebhookParties
from webhooks.sender import body_limit

WELL = FixedProbes()
SICK = FixedProbes(["a loop is stuck"], ["a loop is stuck"])


@dataclass(frozen=True)
class Ports:
    page: int
    webhooks: int
    metrics: int
    sick: int
    bare: int


def broken() -> str:
    raise ZeroDivisionError("hunter2")


def no_application(_environ: Any, _start_response: Any) -> Any:
    raise ZeroDivisionError("hunter2")


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    page = Blueprint("page", __name__)
    for path, view in (("/", lambda: "page"), ("/broken", broken)):
        page.add_url_rule(path, path, view, provide_automatic_options=False)
    inbox = WaitingInbox()
    inbox.release.set()
    door = WebhookParties(deadline=20).inputs(SENDERS, inbox)
    limits = {"webhooks": ListenerLimits(body=body_limit(SENDERS))}
    applications: dict[str, Any] = {
        "page": create_page_app(page, WELL),
        "webhooks": create_webhook_app(door, WELL),
        "metrics": create_metrics_app(CollectorRegistry()),
        "sick": create_page_app(Blueprint("none", __name__), SICK),
        "bare": no_application,
    }
    listeners = {name: Listener(app, "127.0.0.1", 0, limits.get(name)) for name, app in applications.items()}
    yield Ports(**{name: listener.start()[1] for name, listener in listeners.items()})
    for listener in listeners.values():
        listener.stop(within=1)


def get(path: str, more: str = "") -> str:
    return f"GET {path} HTTP/1.1\nHost: evil.example{more}"


LONG = "\nX: " + "x" * 40_000
DELIVERY = head(len(PUSH.body))
ANSWERS = [
    ("page", get("/"), b"", 200),
    ("page", get("/healthz"), b"", 200),
    ("page", get("/nowhere"), b"", 404),
    ("page", get("/metrics"), b"", 404),
    ("page", get("/broken"), b"", 500),
    ("page", "POST / HTTP/1.1\nHost: x\nContent-Length: 0", b"", 405),
    ("page", "OPTIONS / HTTP/1.1\nHost: x", b"", 405),
    ("page", "TRACE / HTTP/1.1\nHost: x", b"", 405),
    ("page", "POST / HTTP/1.1\nHost: x\nContent-Length: 1", b"x", 413),
    ("page", get("/", LONG), b"", 431),
    ("page", get("/", "\nTransfer-Encoding: gzip"), b"", 501),
    ("page", "\x16\x03\x01 no request", b"", 400),
    ("page", get("/", "\nContent-Length: -1"), b"", 400),
    ("sick", get("/healthz"), b"", 503),
    ("webhooks", DELIVERY, PUSH.body, 200),
    ("webhooks", head(len(PUSH.body), secret="wrong"), PUSH.body, 401),
    ("webhooks", head(4), b"not ", 400),
    ("webhooks", head(len(PUSH.body), path="/hooks/nobody"), PUSH.body, 401),
    ("webhooks", get("/hooks/harbor"), b"", 405),
    ("webhooks", get("/metrics"), b"", 404),
    ("webhooks", head(30 << 20), b"", 413),
    ("webhooks", get("/", LONG), b"", 431),
    ("webhooks", "nonsense", b"", 400),
    ("metrics", get("/metrics"), b"", 200),
    ("metrics", get("/"), b"", 404),
    ("metrics", "DELETE /metrics HTTP/1.1\nHost: x", b"", 405),
    ("metrics", get("/", LONG), b"", 431),
    ("bare", get("/"), b"", 500),
]


@pytest.mark.parametrize(("port", "request_head", "body", "status"), ANSWERS)
def test_a42_a43_answers_of_every_port_have_the_security_headers(
    ports: Ports, port: str, request_head: str, body: bytes, status: int
) -> None:
    answer = ask(getattr(ports, port), request_head, body)
    assert answer.status == status
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert {"Server", "Set-Cookie", "Location", "X-Powered-By"}.isdisjoint(answer.headers)
    for secret in (b"hunter2", b"Traceback", b"evil.example"):
        assert secret not in answer.body


def test_a42_content_security_policy_allows_no_other_origin() -> None:
    rules = dict(rule.strip().partition(" ")[::2] for rule in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert rules.pop("default-src") == "'none'"
    assert set(rules.values()) == {"'self'", "'none'"}
    assert {rules[name] for name in ("frame-ancestors", "base-uri", "form-action")} == {"'none'"}
    assert SECURITY_HEADERS["X-Content-Type-Options"] == "nosniff"
    assert SECURITY_HEADERS["Cache-Control"] == "no-store"


def test_a42_host_in_the_request_line_is_not_reflected(ports: Ports) -> None:
    answer = ask(ports.page, "GET http://evil.example/nowhere HTTP/1.1\nHost: evil.example")
    assert (answer.status, b"evil" in answer.body) == (404, False)


DEBUGGERS = {"FLASK_DEBUG": "1", "FLASK_ENV": "development", "WERKZEUG_DEBUG_PIN": "off", "WERKZEUG_RUN_MAIN": "true"}
SERVES = """
import sys
from flask import Blueprint
from gitops.web.listener import Listener
from gitops.web.apps import create_page_app
from tests.worlds.webhooks import FixedProbes
page = Blueprint("page", "page")
page.add_url_rule("/broken", "broken", lambda: 1 / 0)
listener = Listener(create_page_app(page, FixedProbes()), "127.0.0.1", 0)
print(listener.start()[1], flush=True)
sys.stdin.read()
listener.stop(within=1)
"""


def test_a44_debugger_is_not_enabled_by_environment_variables() -> None:
    """Starts a process with every such variable."""
    environment = {**os.environ, **DEBUGGERS}  # noqa: TID251 - what a shell would hand on
    with subprocess.Popen(
        [sys.executable, "-c", SERVES], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        answers: list[Answer] = [
            ask(port, get(path))
            for path in ("/broken", "/console", "/broken?__debugger__=yes&cmd=resource&f=debugger.js")
        ]
        process.communicate("")
    assert [answer.status for answer in answers] == [500, 404, 500]
    for answer in answers:
        assert not any(word in answer.body for word in (b"Traceback", b"ZeroDivisionError", b"Werkzeug", b"SECRET"))
        assert len(answer.body) < 200
