"""The WSGI applications: headers of every answer, errors without details, probes, senders of the configuration."""

from pathlib import Path
from typing import get_args

import pytest
from flask import Blueprint
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from gitops.config import model as config
from gitops.core.errors import Rejected
from gitops.ports import Probes
from gitops.web.apps import create_metrics_app, create_page_app, create_webhook_app, senders
from gitops.web.connection import SECURITY_HEADERS
from tests.webhooks import samples
from tests.webhooks.test_receivers import SENDERS, RecordingInbox
from tests.worlds.webhooks import FixedProbes, WebhookParties
from webhooks.senders.kinds import KINDS, MEBIBYTE

WELL = FixedProbes()


def page() -> Blueprint:
    blueprint = Blueprint("page", __name__)
    blueprint.add_url_rule("/", "index", lambda: "page")
    blueprint.add_url_rule("/broken", "broken", lambda: str(1 / 0))
    return blueprint


def page_client(probes: Probes = WELL) -> FlaskClient:
    return create_page_app(page(), probes).test_client()


def webhook_client(probes: Probes = WELL) -> FlaskClient:
    inputs = WebhookParties().inputs(SENDERS, RecordingInbox())
    return create_webhook_app(inputs, probes).test_client()


def metrics_client() -> FlaskClient:
    registry = CollectorRegistry()
    Counter("lockstep_commits", "Commits", registry=registry).inc()
    return create_metrics_app(registry).test_client()


EVERY = [page_client, webhook_client, metrics_client]


@pytest.mark.parametrize("build", EVERY)
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/nowhere", "/broken", "/hooks/harbor"])
def test_a42_answers_of_every_app_have_the_security_headers(build: type, path: str) -> None:
    response = build().get(path)
    assert SECURITY_HEADERS.items() <= dict(response.headers).items()
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("build", EVERY)
def test_a43_unknown_path_is_404_without_an_echo(build: type) -> None:
    response = build().get("/<script>alert(1)</script>?q=evil")
    assert response.status_code == 404
    assert b"script" not in response.data
    assert b"evil" not in response.data


@pytest.mark.parametrize("build", EVERY)
def test_a42_host_header_is_not_reflected(build: type) -> None:
    for path in ("/", "/hooks/harbor/", "//evil.example/x", "/nowhere"):
        response = build().get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        assert b"evil" not in response.data
        assert "evil" not in str(response.headers)
        assert not 300 <= response.status_code < 400


def test_a44_error_page_shows_no_exception() -> None:
    app = create_page_app(page(), WELL)
    assert not app.debug
    response = app.test_client().get("/broken")
    assert response.status_code == 500
    assert b"ZeroDivisionError" not in response.data
    assert b"Traceback" not in response.data


@pytest.mark.parametrize("build", [page_client, webhook_client])
def test_probes_say_what_is_wrong(build: type) -> None:
    client = build(FixedProbes(dead=["the committer has not turned for 90 s"]))
    response = client.get("/healthz")
    assert (response.status_code, response.text) == (503, "the committer has not turned for 90 s\n")
    assert (client.get("/readyz").status_code, client.get("/readyz").text) == (200, "ok\n")
    assert client.post("/healthz").status_code == 405


def test_a44_metrics_are_on_their_own_port_only() -> None:
    response = metrics_client().get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain")
    assert "lockstep_commits_total 1.0" in response.text
    for build in (page_client, webhook_client):
        assert build().get("/metrics").status_code == 404
    assert metrics_client().get("/").status_code == 404


def test_kinds_of_senders_are_those_that_the_configuration_can_name() -> None:
    assert set(get_args(config.SenderConfig.model_fields["kind"].annotation)) == set(KINDS)


def test_senders_of_every_kind_have_a_parser_and_a_body_limit() -> None:
    kinds = config.SenderConfig.model_json_schema()["properties"]["kind"]["enum"]
    assert set(kinds) == set(KINDS)
    source = config.SecretSource(env="SECRET")
    configured = {kind: config.SenderConfig(kind=kind, secrets=(source,)) for kind in kinds}
    made = senders(configured, {"SECRET": "s3cr3t"})
    assert {name: sender.largest_body for name, sender in made.items()} == {
        "harbor": MEBIBYTE,
        "github": 25 * MEBIBYTE,
        "gitlab": 25 * MEBIBYTE,
        "gitea": 25 * MEBIBYTE,
        "forgejo": 25 * MEBIBYTE,
        "gogs": 25 * MEBIBYTE,
        "bitbucket-cloud": MEBIBYTE,
        "bitbucket-data-center": MEBIBYTE,
        "cloudevents": MEBIBYTE,
    }
    assert {sender.secrets.read() for sender in made.values()} == {(b"s3cr3t",)}


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ", "whsec_c2hvcnQ=", "whsec_!!!!"])
def test_senders_refuse_an_invalid_signing_token_at_the_start(secret: str) -> None:
    configured = {"git-host": config.SenderConfig(kind="gitlab", secrets=(config.SecretSource(env="SECRET"),))}
    with pytest.raises(Rejected, match=r"senders\.git-host\.secrets.*copy the whole token") as refused:
        senders(configured, {"SECRET": secret})
    assert secret == "whsec_" or secret not in str(refused.value)
    assert senders(configured, {"SECRET": "a plain token"})["git-host"].secrets.read() == (b"a plain token",)


def test_senders_log_an_invalid_rotated_signing_token_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(samples.SIGNING_SECRET.decode())
    configured = {"git-host": config.SenderConfig(kind="gitlab", secrets=(config.SecretSource(file=file),))}
    sender = senders(configured, {})["git-host"]
    with capture_logs() as logs:
        sender.secrets.read()
        assert not logs
        for text in ("whsec_bm9uZQ==", samples.SIGNING_SECRET.decode(), "whsec_bm9uZQ=="):
            file.with_name("next").write_text(text)
            file.with_name("next").rename(file)
            for _ in range(3):
                sender.secrets.read()
    assert [entry["sender"] for entry in logs] == ["git-host", "git-host"]
    assert "copy the whole token" in logs[0]["flaw"]
    assert "bm9uZQ" not in str(logs)
