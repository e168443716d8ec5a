"""Harbor's deliveries, recorded and made up."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import Ignored, ImagePushed
from tests.webhooks import recorded
from webhooks.deliveries import Delivery
from webhooks.senders import harbor

DIGEST = "sha256:92646b7dda9b3adc14e7f6b807d07e0fb9949c529849bc727c7230da72c0284e"
PUSHED = recorded.ALL["harbor-default-PUSH_ARTIFACT"]
CLOUD = recorded.ALL["harbor-cloudevents-harbor.artifact.pushed"]


def parse(delivery: recorded.Recorded) -> Delivery:
    return harbor.parse(delivery.headers, delivery.body)


def push(*, occur_at: Any = 1795425094, repository: Any = None, **resource: Any) -> Delivery:
    fields = {"digest": DIGEST, "tag": "1.0.0", "resource_url": "harbor.internal/demo/web:1.0.0"} | resource
    body = {
        "type": "PUSH_ARTIFACT",
        "occur_at": occur_at,
        "event_data": {"resources": [fields], "repository": {"repo_full_name": repository or "demo/web"}},
    }
    return harbor.parse({"content-type": "application/json"}, json.dumps(body).encode())


def test_push_in_the_default_format() -> None:
    at = datetime(2026, 11, 23, 9, 11, 34, tzinfo=UTC)
    assert parse(PUSHED) == Delivery(None, (ImagePushed("127.0.0.1:8480/demo/web", "1.0.0", DIGEST, at),))


def test_push_as_a_cloudevent_has_an_id() -> None:
    assert parse(CLOUD) == Delivery("22a9d414-78eb-4a94-999b-2d2914bf566e", parse(PUSHED).content)


@pytest.mark.parametrize(
    "name", ["harbor-default-noauth-PUSH_ARTIFACT-by-digest", "harbor-pushonly-harbor.artifact.pushed-by-digest"]
)
def test_push_by_digest_is_ignored(name: str) -> None:
    assert parse(recorded.ALL[name]).content == Ignored("the artifact was pushed by digest, without a tag")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("harbor-default-noauth-QUOTA_EXCEED", "QUOTA_EXCEED needs no action"),
        (
            "harbor-cloudevents-harbor.tag_retention.finished",
            "harbor.tag_retention.finished needs no action",
        ),
    ],
)
def test_other_types_need_no_action(name: str, reason: str) -> None:
    assert parse(recorded.ALL[name]).content == Ignored(reason)


def test_push_gives_one_event_for_each_tagged_resource() -> None:
    document = json.loads(PUSHED.body)
    resource = document["event_data"]["resources"][0]
    untagged = resource | {"tag": DIGEST, "resource_url": f"127.0.0.1:8480/demo/web@{DIGEST}"}
    second = resource | {"tag": "1.0.1", "resource_url": "127.0.0.1:8480/demo/web:1.0.1"}
    document["event_data"]["resources"] = [untagged, resource, second]
    content = harbor.parse(PUSHED.headers, json.dumps(document).encode()).content
    assert isinstance(content, tuple)
    assert [event.tag for event in content if isinstance(event, ImagePushed)] == ["1.0.0", "1.0.1"]


def test_image_name_with_a_deep_path_and_without_a_port() -> None:
    content = push(repository="demo/a/b-c", resource_url="harbor.internal/demo/a/b-c:1.0.0").content
    assert isinstance(content, tuple)
    assert content[0].image == "harbor.internal/demo/a/b-c"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "tag",
    [
        "x\nresources: [evil]",
        "latest:..",
        "t" * 129,
        "sha256:" + "0" * 64,
        "-x",
        ".x",
        " ",
        "тег",
        "a/b",
        "a@b",
        "${x}",
    ],
)
def test_a10_tag_outside_the_grammar_is_rejected(tag: str) -> None:
    with pytest.raises(Rejected, match="tag"):
        push(tag=tag)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "0" * 63, "sha256:" + "G" * 64, "md5:" + "0" * 32, "x"])
def test_a10_digest_that_is_invalid_is_rejected(digest: str) -> None:
    with pytest.raises(Rejected, match="digest"):
        push(digest=digest)


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("demo/../evil", "harbor.internal/demo/../evil:1"),
        ("Demo/Web", "harbor.internal/Demo/Web:1"),
        ("demo/web", "demo"),
        ("demo/web", "/demo/web:1.0.0"),
        ("demo/web", "evil@harbor.internal/demo/web:1.0.0"),
        ("demo/web", "https://harbor.internal/demo/web:1.0.0"),
        ("demo/web", "harbor.internal/demo/other:1.0.0"),
        ("demo/web", "harbor.internal/demo/web-2:1.0.0"),
        ("demo/web", "harbor internal/demo/web:1.0.0"),
        ("d" * 300, "harbor.internal/" + "d" * 300),
    ],
)
def test_a10_image_name_that_is_invalid_or_contradictory_is_rejected(repository: str, url: str) -> None:
    with pytest.raises(Rejected):
        push(repository=repository, resource_url=url)


@pytest.mark.parametrize("at", [0, -1, 10**20, 10**10, 1e9, 1795425094.0, True, "1795425094", None, 1451606399])
def test_a03_time_out_of_range_is_rejected(at: Any) -> None:
    with pytest.raises(Rejected, match=r"occur_at|digits"):
        push(occur_at=at)


@pytest.mark.parametrize(
    "time",
    ["", "2026-11-23", "2026-11-23T09:11:34", "20261123T091134Z", "2026-13-23T09:11:34Z", "2026-11-23T09:11:60Z",
     "9999-11-23T09:11:34Z", "2015-12-31T23:59:59Z", "2026-11-23T09:11:34+99:00", "2026-11-23T09:11:34Z\n",
     "２026-11-23T09:11:34Z"],
)  # fmt: skip
def test_time_that_is_not_rfc_3339_is_rejected(time: str) -> None:
    document = json.loads(CLOUD.body) | {"time": time}
    with pytest.raises(Rejected, match="time"):
        harbor.parse(CLOUD.headers, json.dumps(document).encode())


@pytest.mark.parametrize(
    "time", ["2026-11-23T10:11:34+01:00", "2026-11-23t09:11:34z", "2026-11-23T09:11:34.000000000Z"]
)
def test_time_in_any_zone_is_converted_to_utc(time: str) -> None:
    document = json.loads(CLOUD.body) | {"time": time}
    assert harbor.parse(CLOUD.headers, json.dumps(document).encode()).content == parse(PUSHED).content


def test_resources_beyond_the_limit_are_rejected() -> None:
    document = json.loads(PUSHED.body)
    document["event_data"]["resources"] *= 101
    with pytest.raises(Rejected, match="resources"):
        harbor.parse(PUSHED.headers, json.dumps(document).encode())


def test_delivery_id_that_is_unsafe_to_log_is_dropped() -> None:
    document = json.loads(CLOUD.body) | {"id": "a\nb"}
    assert harbor.parse(CLOUD.headers, json.dumps(document).encode()).id is None
