"""The WSGI applications, one per port: webhooks, the page, metrics. Each is made here from what it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from flask import Blueprint, Flask, Response, jsonify
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from gitops.config import model as config
from gitops.core.errors import Rejected
from gitops.ports import Probes
from gitops.runtime.secret_files import SecretFiles
from gitops.web.connection import SECURITY_HEADERS
from gitops.web.listener import Listener, ListenerLimits
from webhooks import receivers
from webhooks.limits import Rate
from webhooks.receivers import WebhookInputs
from webhooks.sender import Sender, body_limit
from webhooks.senders.kinds import KINDS, SenderKind

_log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_PAGE_THREADS = 8


@dataclass(frozen=True, slots=True)
class Listeners:
    """The three ports of a controller."""

    webhooks: Listener
    page: Listener
    metrics: Listener


def senders(configured: Mapping[str, config.SenderConfig], environ: Mapping[str, str]) -> dict[str, Sender]:
    """The `senders` of lockstep.yaml, each with its secrets at hand.

    Raises: Rejected(InvalidConfiguration) when a secret cannot be one of its kind.
    """
    return {name: _sender(name, sender, environ) for name, sender in configured.items()}


def create_webhook_app(inputs: WebhookInputs, probes: Probes) -> Flask:
    app = _app()
    app.register_blueprint(receivers.blueprint(inputs))
    _add_probes(app, probes)
    return app


def create_page_app(page: Blueprint, probes: Probes) -> Flask:
    app = _app()
    app.register_blueprint(page)
    _add_probes(app, probes)
    return app


def create_metrics_app(registry: CollectorRegistry) -> Flask:
    app = _app()

    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    app.add_url_rule("/metrics", "metrics", metrics, methods=["GET"], provide_automatic_options=False)
    return app


def listeners(
    settings: config.Config, inputs: WebhookInputs, page: "WSGIApplication", registry: CollectorRegistry, probes: Probes
) -> Listeners:
    """The ports of one controller, not started yet: webhooks, the page, metrics."""
    wide = ListenerLimits(threads=settings.webhooks.threads, body=body_limit(inputs.senders))
    listen = settings.listen
    metrics = create_metrics_app(registry)
    return Listeners(
        webhooks=Listener(create_webhook_app(inputs, probes), listen.webhooks.host, listen.webhooks.port, wide),
        page=Listener(page, listen.page.host, listen.page.port, ListenerLimits(threads=_PAGE_THREADS)),
        metrics=Listener(metrics, listen.metrics.host, listen.metrics.port, ListenerLimits(threads=2)),
    )


def _sender(name: str, sender: config.SenderConfig, environ: Mapping[str, str]) -> Sender:
    kind = KINDS[sender.kind]
    secrets = sender.current_secrets(environ)
    if flaw := next(filter(None, map(kind.secret_flaw, secrets())), None):
        raise Rejected("InvalidConfiguration", f"senders.{name}.secrets: one {flaw}")
    rate = Rate(sender.rate.per_second, sender.rate.burst)
    return Sender(name, kind, _RotatedSecrets(name, secrets, kind), sender.largest_body or kind.largest_body, rate)


class _RotatedSecrets:
    """Implements ports.WebhookSecrets: secrets that may change at any time. A secret that no request can match is
    logged once, when it appears: from then on its sender is refused, and no other log line says why.
    """

    def __init__(self, name: str, secrets: SecretFiles, kind: SenderKind) -> None:
        self._name = name
        self._secrets = secrets
        self._kind = kind
        self._logged: list[str] = []

    def read(self) -> Sequence[bytes]:
        values = self._secrets()
        flaws = [flaw for flaw in map(self._kind.secret_flaw, values) if flaw]
        if flaws != self._logged:
            self._logged = flaws
            for flaw in flaws:
                _log.error("a secret was changed into one that proves nothing", sender=self._name, flaw=f"one {flaw}")
        return values


def _app() -> Flask:
    """An application that never redirects, never shows what failed, and cannot be switched to debugging by FLASK_DEBUG
    in the environment.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.debug = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.register_error_handler(HTTPException, _answer_error)
    app.after_request(_add_security_headers)
    return app


def _answer_error(error: HTTPException) -> Response:
    """Status, reason and the headers of the protocol (Allow, Retry-After); nothing of what was asked."""
    code = error.code or 500
    if 300 <= code < 400:
        code = 404  # senders follow a redirect as GET without a body, and count that as delivered
    reason = type(error).__name__ if code == error.code else "NotFound"
    answer = jsonify(error={"reason": reason, "message": f"{code} {reason}"})
    answer.status_code = code
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            answer.headers[name] = value
    return answer


def _add_security_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _add_probes(app: Flask, probes: Probes) -> None:
    for path, probe in (("/healthz", probes.dead_loops), ("/readyz", probes.unready)):
        app.add_url_rule(path, path[1:], _answer_of(probe), methods=["GET"], provide_automatic_options=False)


def _answer_of(probe: Callable[[], Sequence[str]]) -> Callable[[], Response]:
    def answer() -> Response:
        wrong = probe()
        text = "".join(f"{line}\n" for line in wrong) or "ok\n"
        return Response(text, status=503 if wrong else 200, content_type="text/plain; charset=utf-8")

    return answer
