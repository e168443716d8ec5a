"""Pushes to the sources of services, as the webhook port receives them: the page shows them, and that is all."""

import hashlib
import hmac
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.image_updates.build_origin import SourcePush
from gitops.core.image_updates.events import ConfigPushed
from gitops.registry_queries.source_pushes import MOST_KEPT, SourcePushes
from gitops.web.apps import create_webhook_app
from tests.webhooks.test_receivers import RecordingInbox
from tests.worlds.clocks import WorldClock
from tests.worlds.registries import Asking
from tests.worlds.webhooks import FixedProbes, FixedSecrets, RecordedEvents, WebhookParties
from webhooks.limits import Rate
from webhooks.sender import Sender
from webhooks.senders.kinds import KINDS

SHA = "0123456789abcdef0123456789abcdef01234567"
SECRET = b"a secret of the sources"
PIPELINE = pipeline.parse(b"""
services:
  print: {image: r.example/print, tags: {semver: ">=1"}, source: "https://git.example/team/print"}
  worker: {image: r.example/worker, tags: {semver: ">=1"}, source: ["ssh://git@git.example/team/print", "https://git.example/team/lib"]}
  order: {image: r.example/order, tags: {semver: ">=1"}}
environments:
  dev: {namespace: dev}
""")

_CALLS: list[str] = []
_WATCHED = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "urllib.", "http.client.")
_state = {"is_watching": False}


def _watch(event: str, _details: object) -> None:
    if _state["is_watching"] and event.startswith(_WATCHED):
        _CALLS.append(event)


sys.addaudithook(_watch)  # Python audits every socket, look-up and process; a hook stays for the whole run


@contextmanager
def watching() -> Iterator[list[str]]:
    """Collect the audit events of sockets, look-ups and processes meanwhile."""
    _CALLS.clear()
    _state["is_watching"] = True
    try:
        yield _CALLS
    finally:
        _state["is_watching"] = False


class _Head:
    """The part of ports.ConfigHead that SourcePushes needs."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def pipeline(self) -> pipeline.Pipeline | None:
        return self._world.declared


class _SourceEvents(RecordedEvents):
    """Hands pushes to source repositories on."""

    def __init__(self, pushes: SourcePushes) -> None:
        super().__init__()
        self._pushes = pushes

    def source_pushed(self, event: ConfigPushed) -> str | None:
        return self._pushes.source_pushed(event)


class World:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, tzinfo=UTC)
        self.declared: pipeline.Pipeline | None = PIPELINE
        self.pushes = SourcePushes(_Head(self), WorldClock(lambda: self.now))
        sender = Sender("git", KINDS["github"], FixedSecrets((SECRET,)), 1 << 20, Rate(per_second=1000, burst=1000))
        inputs = WebhookParties(events=_SourceEvents(self.pushes)).inputs({"git": sender}, RecordingInbox())
        self.client = create_webhook_app(inputs, FixedProbes()).test_client()

    def post(self, url: str, ref: str = "refs/heads/main", after: str = SHA) -> str:
        body = json.dumps({"ref": ref, "after": after, "repository": {"clone_url": url}, "deleted": False}).encode()
        signature = f"sha256={hmac.new(SECRET, body, hashlib.sha256).hexdigest()}"
        headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "Content-Type": "application/json"}
        answer = self.client.post("/hooks/git", data=body, headers=headers)
        assert answer.status_code == 200
        (result,) = answer.get_json()["results"]
        return str(result)

    def hear(self, number: int, ref: str = "refs/heads/main") -> None:
        self.pushes.source_pushed(ConfigPushed(("https://git.example/team/print",), ref, f"{number:040x}"))


@pytest.fixture
def world() -> World:
    return World()


def test_source_push_is_kept_for_each_service_that_is_built_from_it(world: World) -> None:
    said = world.post("https://x@GIT.example:443/team/print.git")
    assert said == "the push is to the source of print; the page shows it until there is an image of it"
    assert world.pushes.of("print") == (SourcePush(SHA, "refs/heads/main", world.now),)
    assert "the source of worker" in world.post("git@git.example:team/print")
    assert [push.revision for push in world.pushes.of("worker")] == [SHA]
    assert world.pushes.of("order") == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/team/print-evil",
        "https://git.example/team/Print",
        "https://git.example@evil.example/team/print",
        "https://git.example.evil.example/team/print",
        "https://git.example:8443/team/print",
        "https://git.exаmple/team/print",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "--upload-pack=touch x",
    ],
)
def test_a08_source_push_of_a_look_alike_is_ignored_and_never_fetched(world: World, url: str) -> None:
    with watching() as calls:
        said = world.post(url)
    assert said == "the push is to another repository than the config repo"
    assert (world.pushes.of("print"), calls) == ((), [])


def test_a08_source_push_is_never_fetched_or_resolved(world: World) -> None:
    """A source push causes no look-up, no connection, no process and no registry query."""
    asking = Asking(lambda: world.now, ["r.example"])
    with watching() as calls:
        assert world.post("https://git.example/team/print").startswith("the push is to the source of print")
    assert (calls, asking.registry.asked, asking.work()) == ([], [], False)
    with watching() as calls:
        socket.getaddrinfo("127.0.0.1", 80)
    assert "socket.getaddrinfo" in calls, "the audit hook sees a look-up"


@pytest.mark.parametrize(
    ("ref", "after"), [("refs/heads/main", "0" * 40), ("refs/notes/x", SHA), ("refs/heads/../x", SHA)]
)
def test_source_push_without_a_commit_is_answered_and_not_kept(world: World, ref: str, after: str) -> None:
    event = ConfigPushed(("https://git.example/team/print",), ref, None if after == "0" * 40 else after)
    assert world.pushes.source_pushed(event) == "the push is to the source of print; there is no commit to show"
    assert world.pushes.of("print") == ()


@pytest.mark.parametrize("after", ["", "main", "<script>", "A" * 40, "a" * 41])
def test_source_push_without_a_full_commit_id_is_not_kept(world: World, after: str) -> None:
    event = ConfigPushed(("https://git.example/team/print",), "refs/heads/main", after)
    assert "no commit to show" in (world.pushes.source_pushed(event) or "")
    assert world.pushes.of("print") == ()


def test_source_pushes_are_bounded_and_ignore_a_replay(world: World) -> None:
    for number in range(1, 1001):
        world.now += timedelta(seconds=1)
        world.hear(number)
    before = world.pushes.of("print")
    world.hear(1000)
    assert world.pushes.of("print") == before
    assert [int(push.revision, 16) for push in before] == list(range(1000, 1000 - MOST_KEPT, -1))
    world.hear(1000, "refs/tags/v1")
    assert [push.ref for push in world.pushes.of("print")][:2] == ["refs/tags/v1", "refs/heads/main"]


def test_source_pushes_of_a_service_that_is_gone_are_dropped(world: World) -> None:
    world.hear(1)
    text = b"services:\n  lib: {image: r.example/l, tags: {semver: '>=1'}, source: https://git.example/team/lib}\n"
    world.declared = pipeline.parse(text + b"environments:\n  dev: {namespace: dev}\n")
    world.post("https://git.example/team/lib")
    assert (world.pushes.of("print"), len(world.pushes.of("lib"))) == ((), 1)


def test_source_push_is_unknown_without_a_pipeline(world: World) -> None:
    world.declared = None
    assert "another repository" in world.post("https://git.example/team/print")
