"""CloudEvents of a build pipeline in both modes, written by the CloudEvents SDK and by hand."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent

from gitops.core.errors import Rejected
from gitops.core.image_updates.events import ConfigPushed, Ignored, ImagePushed
from webhooks.deliveries import Delivery
from webhooks.senders import cloudevents

IMAGE = {
    "image": "harbor.tuling.internal/tuling/print-service",
    "tag": "1.4.2",
    "digest": "sha256:" + "5f" * 32,
    "pushed_at": "2026-11-23T17:11:34+08:00",
}
PUSHED = ImagePushed(IMAGE["image"], "1.4.2", IMAGE["digest"], datetime(2026, 11, 23, 9, 11, 34, tzinfo=UTC))
SOURCE = "https://jenkins.tuling.internal/job/打印 100%/4711/"
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def event(data: Any, kind: str = cloudevents.IMAGE_PUSHED) -> CloudEvent:
    attributes = {"id": "4711", "source": SOURCE, "type": kind, "datacontenttype": "application/json"}
    return CloudEvent(attributes, data)


def read(message: http.HTTPMessage) -> Delivery:
    return cloudevents.parse({name.lower(): value for name, value in message.headers.items()}, message.body)


def structured(**changes: Any) -> Delivery:
    """An image event with some attributes replaced; attributes with the value `...` are left out."""
    document = json.loads(http.to_structured_event(event(IMAGE)).body) | changes
    body = {name: value for name, value in document.items() if value is not ...}
    return cloudevents.parse(STRUCTURED, json.dumps(body).encode())


def image(**changes: Any) -> Delivery:
    return structured(data=IMAGE | changes)


def test_cloudevent_of_the_sdk_in_structured_mode_is_read() -> None:
    assert read(http.to_structured_event(event(IMAGE))) == Delivery("4711", (PUSHED,))


def test_cloudevent_of_the_sdk_in_binary_mode_is_read() -> None:
    assert read(http.to_binary_event(event(IMAGE))) == Delivery("4711", (PUSHED,))


def test_cloudevent_of_a_config_push_is_read() -> None:
    data = {"repository": "https://git.tuling.internal/platform/config", "ref": "refs/heads/main", "after": "a" * 40}
    expected = (ConfigPushed((data["repository"],), "refs/heads/main", "a" * 40),)
    assert read(http.to_binary_event(event(data, cloudevents.CONFIG_PUSHED))).content == expected
    without = {name: value for name, value in data.items() if name != "after"}
    (found,) = read(http.to_structured_event(event(without, cloudevents.CONFIG_PUSHED))).content  # type: ignore[misc]
    assert found == ConfigPushed((data["repository"],), "refs/heads/main", None)


def test_cloudevent_type_header_cannot_change_the_meaning_of_a_body() -> None:
    """In binary mode the signature does not cover the type."""
    message = http.to_binary_event(event(IMAGE))
    with pytest.raises(Rejected, match="repository"):
        cloudevents.parse(message.headers | {"ce-type": cloudevents.CONFIG_PUSHED}, message.body)
    assert isinstance(cloudevents.parse(message.headers | {"ce-type": "other"}, message.body).content, Ignored)


def test_cloudevent_headers_are_ignored_in_structured_mode() -> None:
    message = http.to_structured_event(event(IMAGE))
    headers = STRUCTURED | {"ce-type": "other", "ce-id": "another", "ce-specversion": "0.3"}
    assert cloudevents.parse(headers, message.body) == Delivery("4711", (PUSHED,))


@pytest.mark.parametrize(
    "changes",
    [{"specversion": "0.3"}, {"specversion": ...}, {"id": ...}, {"id": ""}, {"id": 7}, {"source": ...}, {"source": ""},
     {"type": ...}, {"type": ""}, {"type": "a b"}, {"data": ...}, {"data": None}, {"data": []}, {"data": "x"},
     {"data": ..., "data_base64": "e30="}],
)  # fmt: skip
def test_cloudevent_with_wrong_attributes_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        structured(**changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [("image", "print-service"), ("image", IMAGE["image"] + ":1.4.2"), ("image", "https://harbor.x/a/b"), ("image", ""),
     ("image", "h/../b"), ("tag", "x\nresources: [evil]"), ("tag", "latest:.."), ("tag", "t" * 300), ("tag", ""),
     ("tag", IMAGE["digest"]), ("digest", "sha256:" + "0" * 63), ("digest", "md5:0"), ("pushed_at", "yesterday"),
     ("pushed_at", "2026-11-23T09:11:34"), ("pushed_at", "2101-01-01T00:00:00Z"), ("pushed_at", 1795425094)],
)  # fmt: skip
def test_a10_cloudevent_with_an_invalid_image_is_rejected(field: str, value: Any) -> None:
    with pytest.raises(Rejected, match=field):
        image(**{field: value})


def test_cloudevent_batch_is_refused_with_advice() -> None:
    with pytest.raises(Rejected, match="send one event"):
        cloudevents.parse({"content-type": "application/cloudevents-batch+json"}, b"{}")


def test_cloudevent_data_of_other_types_is_not_validated() -> None:
    assert isinstance(structured(type="com.example.built", data=["anything"]).content, Ignored)
