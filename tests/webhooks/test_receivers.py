"""The webhook endpoint as a sender sees it: the answer to each delivery, and the events that are passed on."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from gitops.core.errors import GitopsError, Rejected, Unavailable
from gitops.core.image_updates.events import Event, Ignored, ImageDeleted, ImagePushed
from gitops.core.parsing import git_urls
from gitops.runtime.metrics import Metrics
from gitops.web.apps import create_webhook_app
from tests.webhooks import recorded, samples
from tests.worlds.clocks import Stopwatch, WorldClock
from tests.worlds.webhooks import FixedProbes, FixedSecrets, RecordedEvents, WebhookParties
from webhooks.auth import UNAUTHENTICATED_BYTES
from webhooks.deliveries import Delivery
from webhooks.limits import Rate
from webhooks.receivers import ARRIVED
from webhooks.sender import Sender, body_limit
from webhooks.senders.kinds import KINDS, MEBIBYTE, SenderKind

RATE = Rate(per_second=100, burst=1000)
PUSH = recorded.ALL["harbor-default-PUSH_ARTIFACT"]
CLOUD = recorded.ALL["harbor-cloudevents-harbor.artifact.pushed"]
GIT_PUSH = recorded.ALL["gitea-push"]


@dataclass
class RecordingInbox:
    """Stores the accepted events; raises `failure` if it is set."""

    accepted: list[tuple[tuple[Event, ...], str, float]] = field(default_factory=list)
    failure: GitopsError | None = None

    def accept(self, events: Sequence[Event], *, delivery: str, deadline: float) -> Sequence[str]:
        if self.failure is not None:
            raise self.failure
        self.accepted.append((tuple(events), delivery, deadline))
        return [f"committed {event.tag}" for event in events if isinstance(event, ImagePushed)]


@dataclass
class World:
    """The parts around one endpoint."""

    client: FlaskClient
    inbox: RecordingInbox
    clock: Stopwatch
    events: RecordedEvents
    registry: CollectorRegistry

    def post(self, path: str, delivery: recorded.Recorded = PUSH, **changes: str | None) -> TestResponse:
        headers = {name: value for name, value in delivery.headers.items() if name != "content-length"}
        headers |= {name.replace("_", "-"): value for name, value in changes.items() if value is not None}
        for name, value in changes.items():
            if value is None:
                headers.pop(name.replace("_", "-"), None)
        return self.client.post(path, data=delivery.body, headers=headers)

    def answered(self, sender: str, status: str) -> float | None:
        return self.registry.get_sample_value("lockstep_deliveries_total", {"sender": sender, "status": status})


def sender(name: str, kind: str, *secrets: bytes, rate: Rate = RATE) -> Sender:
    return Sender(name, KINDS[kind], FixedSecrets(secrets), KINDS[kind].largest_body, rate)


SENDERS = {
    "harbor": sender("harbor", "harbor", recorded.HARBOR_SECRET),
    "other": sender("other", "harbor", b"another project's"),
    "git": sender("git", "github", b"the new secret", recorded.GITEA_SECRET),
    **{
        kind: sender(kind, kind, samples.WRITTEN_SECRET, recorded.GITEA_SECRET, samples.SIGNING_SECRET)
        for kind in KINDS
        if kind != "harbor"
    },
    "slow": sender("slow", "harbor", recorded.HARBOR_SECRET, rate=Rate(per_second=0.5, burst=2)),
}


def build(senders: Mapping[str, Sender]) -> World:
    inbox, stopwatch, registry, events = RecordingInbox(), Stopwatch(), CollectorRegistry(), RecordedEvents()
    parties = WebhookParties(
        repos=frozenset(repo for url in samples.REPOS if (repo := git_urls.parse(url)) is not None),
        events=events,
        observer=Metrics(registry),
        clock=WorldClock(lambda: datetime.fromtimestamp(samples.SIGNED_AT, UTC), stopwatch),
    )
    app = create_webhook_app(parties.inputs(senders, inbox), FixedProbes())
    return World(app.test_client(), inbox, stopwatch, events, registry)


@pytest.fixture
def world() -> World:
    return build(SENDERS)


GITHUBS = {"github", "cloudevents"}
"""The kinds that verify GitHub's signature."""


def reason(response: TestResponse) -> str:
    found: str = response.get_json()["error"]["reason"]
    return found


def test_image_push_is_passed_to_the_inbox_and_answered_with_the_result(world: World) -> None:
    response = world.post("/hooks/harbor")
    assert (response.status_code, response.get_json()) == (200, {"results": ["committed 1.0.0"]})
    ((events, delivery, deadline),) = world.inbox.accepted
    assert isinstance(events[0], ImagePushed)
    assert delivery.startswith("body-")
    assert deadline == 2.5
    assert world.answered("harbor", "200") == 1


def test_cloudevent_is_logged_with_its_own_id(world: World) -> None:
    assert world.post("/hooks/harbor", CLOUD).status_code == 200
    assert world.inbox.accepted[0][1] == "22a9d414-78eb-4a94-999b-2d2914bf566e"


def test_deadline_counts_from_the_first_byte(world: World) -> None:
    arrived = {ARRIVED: world.clock.seconds - 2.0}
    headers = {"Authorization": PUSH.headers["authorization"], "Content-Type": "application/json"}
    assert world.client.post("/hooks/harbor", data=PUSH.body, headers=headers, environ_base=arrived).status_code == 200
    assert world.inbox.accepted[0][2] == pytest.approx(0.5)
    late = {ARRIVED: world.clock.seconds - 2.6}
    response = world.client.post("/hooks/harbor", data=PUSH.body, headers=headers, environ_base=late)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert len(world.inbox.accepted) == 1


def test_config_push_is_passed_on(world: World) -> None:
    response = world.post("/hooks/git", GIT_PUSH)
    assert (response.status_code, response.get_json()) == (200, {"results": ["refs/heads/main moved"]})
    assert world.events.config_pushes[0].after == "30d8cec7604488fda746a59c1a98d82e582304b6"
    assert not world.inbox.accepted


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:3301/dev/app", "http://127.0.0.1:3300/dev/App", "http://127.0.0.1:3300@evil/dev/app",
     "http://evil@127.0.0.1:3301/dev/app", "http://127.0.0.1/dev/app", "http://127.0.0.1:3300/dev/app.git.git",
     "http://127.0.0.1:3300/dev/app/../app", "http://127.0.0.1:3300/dev/app?x",
     "http://127.0.0.1:3300/dev/app#x", "http://127.0.0.1:3300/dev%2Fapp", "ext::sh -c touch% /tmp/x",
     "http://127.0.0.1\u3002evil:3300/dev/app", "http://ⓖit.tuling.internal/platform/config",
     "https://git.tuling.internal.evil/platform/config", "https://git.tuling.internal\\@evil/platform/config",
     "https://gіt.tuling.internal/platform/config", "--upload-pack=x", "../app", "dev/app", " "],
)  # fmt: skip
def test_a08_repository_that_looks_like_the_config_repo_is_ignored(world: World, url: str) -> None:
    document = json.loads(GIT_PUSH.body) | {"repository": {"clone_url": url}}
    response = post_signed(world, json.dumps(document).encode())
    assert response.status_code == 200
    assert "another repository" in response.get_json()["results"][0]
    assert not world.events.config_pushes


def post_signed(world: World, body: bytes, content_type: str = "application/json") -> TestResponse:
    signature = "sha256=" + hmac.new(recorded.GITEA_SECRET, body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "Content-Type": content_type}
    return world.client.post("/hooks/git", data=body, headers=headers)


def test_ignored_delivery_is_answered_with_the_reason(world: World) -> None:
    response = world.post("/hooks/github", samples.ALL["github-ping"].delivery)
    assert (response.status_code, response.get_json()) == (200, {"results": ["the webhook works"]})
    assert not (world.inbox.accepted)
    assert not (world.events.config_pushes)
    assert not (world.events.news)


def test_scan_and_deletion_are_passed_on_without_waiting_for_a_commit(world: World) -> None:
    world.inbox.failure = Unavailable("RemoteDown", "no commit gets through")
    response = world.post("/hooks/harbor", recorded.ALL["harbor-default-DELETE_ARTIFACT"])
    assert response.status_code == 200
    assert "heard of" in response.get_json()["results"][0]
    assert [type(event) for event in world.events.news] == [ImageDeleted]


def test_config_push_is_answered_though_commits_fail(world: World) -> None:
    """Gitea closes the connection after five seconds and never sends the webhook again."""
    world.inbox.failure = Unavailable("RemoteDown", "no commit gets through")
    for name in ("gitea-push", "github-push", "gitlab-push", "bitbucket-cloud-push"):
        sample = samples.ALL[name]
        assert world.post(f"/hooks/{sample.kind_name}", sample.delivery).status_code == 200


def test_config_push_of_several_refs_has_a_sentence_for_each(world: World) -> None:
    sample = samples.ALL["bitbucket-cloud-push"]
    results = world.post("/hooks/bitbucket-cloud", sample.delivery).get_json()["results"]
    assert results == [
        "refs/heads/main moved",
        "refs/tags/promote/test/42 moved",
        "refs/heads/feature/x moved",
    ]


def test_a05_unknown_sender_and_wrong_secret_have_the_same_answer(world: World) -> None:
    answers = [
        world.post("/hooks/nobody"),
        world.post("/hooks/nobody", GIT_PUSH),
        world.post("/hooks/harbor", authorization="wrong"),
        world.post("/hooks/harbor", authorization=None),
        world.post("/hooks/harbor", authorization="é"),
        world.post("/hooks/other"),
        world.post("/hooks/git"),
        world.post("/hooks/git", replace(GIT_PUSH, body=GIT_PUSH.body + b" ")),
        world.post("/hooks/git", GIT_PUSH, **{"x-hub-signature-256": None}),
        world.post("/hooks/git", recorded.ALL["gitea-push-form"]),
        *(world.post(f"/hooks/{kind}", recorded.ALL["gitea-push-form"]) for kind in ("github", "forgejo", "gitlab")),
        *(world.post(f"/hooks/{kind}", samples.ALL["github-push"].delivery) for kind in KINDS if kind not in GITHUBS),
        world.post("/hooks/%2e%2e"),
        world.post("/hooks/harbor%00"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.get_data() for answer in answers}) == 1
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1
    assert world.answered("", "401") == len(answers)
    assert not world.inbox.accepted


def test_a03_body_is_not_parsed_before_authentication() -> None:
    parsed: list[bytes] = []

    def parse(_headers: Mapping[str, str], body: bytes) -> Delivery:
        parsed.append(body)
        return Delivery(None, Ignored("read"))

    kind = SenderKind(parse, KINDS["harbor"].scheme, MEBIBYTE)
    world = build({"harbor": Sender("harbor", kind, FixedSecrets((recorded.HARBOR_SECRET,)), MEBIBYTE, RATE)})
    assert world.post("/hooks/harbor", authorization="wrong").status_code == 401
    assert not parsed
    assert world.post("/hooks/harbor").status_code == 200
    assert parsed == [PUSH.body]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":NaN}', b'{"a":1,"a":1}', b"", b"\xff", b'{"type":1}'])
def test_a03_malformed_delivery_is_400_with_the_reason(world: World, body: bytes) -> None:
    response = world.post("/hooks/harbor", replace(PUSH, body=body))
    assert (response.status_code, reason(response)) == (400, "MalformedDelivery")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/hooks/harbor", "/hooks/harbor/", "/hooks/nobody"])
def test_other_methods_are_405(world: World, method: str, path: str) -> None:
    response = world.client.open(path, method=method)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path",
    ["/hooks/harbor/", "//hooks/harbor", "/hooks//harbor", "/hooks/harbor//", "/hooks", "/hooks/", "/", "/x/../hooks"],
)
def test_paths_never_redirect(world: World, path: str) -> None:
    assert world.post(path).status_code in {200, 401, 404}
    assert world.client.get(path).status_code in {404, 405}


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)
def test_content_type_other_than_json_is_415(world: World, content_type: str) -> None:
    response = post_signed(world, GIT_PUSH.body, content_type)
    assert (response.status_code, reason(response)) == (415, "UnsupportedMediaType")


def test_a01_body_over_the_sender_s_limit_is_413(world: World) -> None:
    big = replace(PUSH, body=b" " * (MEBIBYTE + 1))
    assert world.post("/hooks/harbor", big).status_code == 413
    assert (
        world.post("/hooks/harbor", replace(PUSH, body=b" " * (MEBIBYTE - len(PUSH.body)) + PUSH.body)).status_code
        == 200
    )


def test_a01_chunked_body_is_read_up_to_the_limit(world: World) -> None:
    """Behind a server that passes the stream on: the length is unknown, and reading stops at the limit."""
    read = 0

    class Endless:
        def read(self, size: int = -1) -> bytes:
            nonlocal read
            assert 0 <= size < MEBIBYTE, "the endpoint read everything at once"
            read += size
            return b" " * size

    response = world.client.post(
        "/hooks/harbor",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": Endless(), "wsgi.input_terminated": True},
    )
    assert response.status_code == 413
    assert 25 * MEBIBYTE <= read < 26 * MEBIBYTE


@pytest.mark.parametrize(
    ("failure", "retry_after"),
    [
        (Unavailable("RemoteDown", "the remote does not answer"), "5"),
        (Unavailable("QueueFull", "too many wait", retry_after=0.2), "1"),
        (Rejected("PushRefused", "protected branch"), "5"),
    ],
)
def test_failed_commit_is_503(world: World, failure: GitopsError, retry_after: str) -> None:
    world.inbox.failure = failure
    response = world.post("/hooks/harbor")
    assert (response.status_code, reason(response)) == (503, failure.reason)
    assert response.headers["Retry-After"] == retry_after
    assert world.answered("harbor", "503") == 1


def test_bug_is_500_without_details(world: World) -> None:
    world.inbox.accept = None  # type: ignore[assignment,method-assign]
    response = world.post("/hooks/harbor")
    assert (response.status_code, response.get_json()) == (
        500,
        {"error": {"reason": "InternalServerError", "message": "500 InternalServerError"}},
    )


def test_rate_limit_of_one_sender_is_429_for_this_sender_only(world: World) -> None:
    answers = [world.post("/hooks/slow") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "2"
    assert world.post("/hooks/harbor").status_code == 200
    world.clock.seconds += 2
    assert world.post("/hooks/slow").status_code == 200


def test_a12_unauthenticated_requests_share_a_rate_limit_and_a_log_line(world: World) -> None:
    with capture_logs() as logs:
        answers = [world.post("/hooks/harbor", authorization=f"guess {count}").status_code for count in range(300)]
    assert answers == [401] * 200 + [429] * 100
    assert [entry["event"] for entry in logs] == ["unauthenticated requests refused"]
    assert world.post("/hooks/harbor").status_code == 200
    world.clock.seconds += 60
    with capture_logs() as logs:
        world.post("/hooks/nobody")
    assert [entry["count"] for entry in logs] == [300]


def test_refusals_of_one_sender_are_logged_once_a_minute(world: World) -> None:
    with capture_logs() as logs:
        for _ in range(50):
            world.post("/hooks/harbor", replace(PUSH, body=b"{"))
    assert len(logs) == 1
    assert recorded.HARBOR_SECRET.decode() not in repr(logs)


@pytest.mark.parametrize("sample", samples.WRITTEN + samples.RECORDED, ids=lambda sample: sample.name)
def test_samples_are_all_answered(sample: samples.Sample) -> None:
    """Each of Harbor's policies has its own secret."""
    secrets = (samples.WRITTEN_SECRET, sample.secret)
    world = build(SENDERS | {"harbor": sender("harbor", "harbor", *secrets)})
    assert world.post(f"/hooks/{sample.kind_name}", sample.delivery).status_code == 200


@pytest.mark.parametrize("kind", ["gitea", "gogs"])
def test_signed_form_is_answered_with_the_setting_to_change(world: World, kind: str) -> None:
    response = world.post(f"/hooks/{kind}", recorded.ALL["gitea-push-form"])
    assert (response.status_code, reason(response)) == (415, "UnsupportedMediaType")
    assert "application/json" in response.get_json()["error"]["message"]


def test_a06_replayed_delivery_is_decided_by_its_content_and_logged_once(world: World) -> None:
    with capture_logs() as logs:
        answers = [world.post("/hooks/harbor").get_json() for _ in range(20)]
    assert answers == [{"results": ["committed 1.0.0"]}] * 20
    assert [entry["event"] for entry in logs] == ["delivery answered", "deliveries came again"]
    world.clock.seconds += 60
    with capture_logs() as logs:
        world.post("/hooks/harbor")
    assert [entry["count"] for entry in logs] == [19]


def test_a06_unsigned_id_with_another_body_is_another_delivery(world: World) -> None:
    """An unsigned id is not used to recognise a delivery."""
    other = replace(CLOUD, body=CLOUD.body.replace(b"1.0.0", b"1.0.1"))
    for delivery in (CLOUD, other):
        assert world.post("/hooks/harbor", delivery).status_code == 200
    assert [events[0].tag for events, _, _ in world.inbox.accepted if isinstance(events[0], ImagePushed)] == [
        "1.0.0",
        "1.0.1",
    ]


def test_a06_signed_id_of_another_sender_is_another_delivery(world: World) -> None:
    assert world.post("/hooks/harbor", CLOUD).status_code == 200
    assert world.post("/hooks/other", CLOUD, authorization="another project's").status_code == 200
    assert [delivery for _, delivery, _ in world.inbox.accepted] == ["22a9d414-78eb-4a94-999b-2d2914bf566e"] * 2


def test_a06_signed_id_is_processed_once_unless_it_failed(world: World) -> None:
    sample = samples.ALL["gitlab-signed-push"]
    first, second = (world.post("/hooks/gitlab", sample.delivery) for _ in range(2))
    assert first.get_json() == {"results": ["refs/heads/main moved"]}
    assert second.status_code == 200
    assert "was answered before" in second.get_json()["results"][0]
    assert len(world.events.config_pushes) == 1


def test_a06_signed_id_counts_only_if_its_signature_is_verified(world: World) -> None:
    """Otherwise a sender that knows only the token could use up the ids of later deliveries."""
    sample = samples.ALL["gitlab-signed-push"]
    by_token = {"x-gitlab-token": samples.WRITTEN_SECRET.decode(), "webhook-signature": "v1," + "A" * 43 + "="}
    assert world.post("/hooks/gitlab", sample.delivery, **by_token).status_code == 200
    assert world.post("/hooks/gitlab", sample.delivery).get_json() == {"results": ["refs/heads/main moved"]}
    assert len(world.events.config_pushes) == 2


def test_a09_invalid_ref_is_answered_200_with_the_reason(world: World) -> None:
    sample = samples.ALL["gitlab-push"]
    body = json.dumps(json.loads(sample.delivery.body) | {"ref": "refs/heads/-x"}).encode()
    response = world.post("/hooks/gitlab", replace(sample.delivery, body=body))
    assert response.status_code == 200
    assert response.get_json() == {"results": ["ref 'refs/heads/-x' is not a valid branch or tag name"]}
    assert not world.events.config_pushes


def test_a06_failed_delivery_is_no_replay_when_it_is_sent_again(world: World) -> None:
    world.inbox.failure = Unavailable("RemoteDown", "the remote does not answer")
    assert world.post("/hooks/harbor").status_code == 503
    world.inbox.failure = None
    with capture_logs() as logs:
        assert world.post("/hooks/harbor").get_json() == {"results": ["committed 1.0.0"]}
    assert [entry["event"] for entry in logs] == ["delivery answered"]


def test_a07_signature_of_another_time_is_401(world: World) -> None:
    sample = samples.ALL["gitlab-signed-push"]
    for stamp in (samples.SIGNED_AT - 301, samples.SIGNED_AT + 301):
        changes = {"webhook-timestamp": f"{stamp:.0f}"}
        assert world.post("/hooks/gitlab", sample.delivery, **changes).status_code == 401
    assert world.post("/hooks/gitlab", sample.delivery, **{"webhook-id": "another"}).status_code == 401
    assert not world.events.config_pushes


def limits() -> Iterator[tuple[str, dict[str, str], int]]:
    right = {"authorization": recorded.HARBOR_SECRET.decode()}
    signed = {"x-hub-signature-256": "sha256=" + "0" * 64}
    token = {"x-gitlab-token": samples.WRITTEN_SECRET.decode()}
    yield "/hooks/gitlab", token, 25 * MEBIBYTE
    yield "/hooks/gitlab", {"x-gitlab-token": "wrong"}, UNAUTHENTICATED_BYTES
    yield "/hooks/nobody", {"webhook-signature": "v1," + "A" * 43 + "="}, 25 * MEBIBYTE
    for header in ("x-gitea-signature", "x-forgejo-signature", "x-gogs-signature"):
        yield "/hooks/nobody", {header: "0" * 64}, 25 * MEBIBYTE
    yield "/hooks/nobody", {"x-hub-signature": "sha256=" + "0" * 64}, 25 * MEBIBYTE
    yield "/hooks/nobody", {"x-hub-signature": "sha1=" + "0" * 40}, UNAUTHENTICATED_BYTES
    yield "/hooks/harbor", right, MEBIBYTE
    yield "/hooks/harbor/", right, MEBIBYTE
    for name in ("harbor", "git", "nobody"):
        yield f"/hooks/{name}", {}, UNAUTHENTICATED_BYTES
        yield f"/hooks/{name}", {"authorization": "wrong"}, UNAUTHENTICATED_BYTES
        yield f"/hooks/{name}", signed, 25 * MEBIBYTE
    yield "/hooks/other", right, UNAUTHENTICATED_BYTES
    yield "/healthz", {}, UNAUTHENTICATED_BYTES


@pytest.mark.parametrize(("path", "headers", "expected"), list(limits()))
def test_body_limit_does_not_reveal_sender_names(path: str, headers: dict[str, Any], expected: int) -> None:
    assert body_limit(SENDERS)(path, headers) == expected
