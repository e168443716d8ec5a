"""Harbor's webhooks in both formats, Default and CloudEvents (structured mode). Observed on Harbor 2.15.

https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gitops.core import images
from gitops.core.events import Ignored, ImagePushed
from webhooks import bodies
from webhooks.deliveries import Delivery

_MOST_RESOURCES = 100
# Harbor did not exist before the one, and nobody who lives will push after the other.
_EARLIEST = int(datetime(2016, 1, 1, tzinfo=UTC).timestamp())
_LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_RFC3339 = re.compile(r"20\d\d-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)

_EventType = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z_.]{0,63}$")]


class _Resource(BaseModel):
    model_config = bodies.STRICT
    digest: str
    tag: str
    resource_url: str


class _Repository(BaseModel):
    model_config = bodies.STRICT
    repo_full_name: str


class _Artifacts(BaseModel):
    model_config = bodies.STRICT
    resources: Annotated[list[_Resource], Field(max_length=_MOST_RESOURCES)]
    repository: _Repository


class _Default(BaseModel):
    model_config = bodies.STRICT
    type: _EventType


class _DefaultPush(BaseModel):
    model_config = bodies.STRICT
    occur_at: Annotated[int, Field(ge=_EARLIEST, lt=_LATEST)]
    event_data: _Artifacts


class _CloudEvent(BaseModel):
    model_config = bodies.STRICT
    specversion: Literal["1.0"]
    type: _EventType
    id: str


class _CloudEventPush(BaseModel):
    model_config = bodies.STRICT
    time: str
    data: _Artifacts


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """What Harbor says. A push names one event per tagged artifact; everything else asks for nothing.

    Raises: Rejected(MalformedDelivery).
    """
    document = bodies.decode(body)
    if headers.get("content-type", "").lower().startswith("application/cloudevents+json"):
        return _parse_cloudevent(document)
    return _parse_default(document)


def _parse_default(document: dict[str, Any]) -> Delivery:
    envelope = bodies.read(_Default, document)
    if envelope.type != "PUSH_ARTIFACT":
        return Delivery(None, _asks_for_nothing(envelope.type))
    push = bodies.read(_DefaultPush, document)
    return Delivery(None, _pushed(push.event_data, datetime.fromtimestamp(push.occur_at, UTC)))


def _parse_cloudevent(document: dict[str, Any]) -> Delivery:
    envelope = bodies.read(_CloudEvent, document)
    own_id = bodies.senders_id(envelope.id)
    if envelope.type != "harbor.artifact.pushed":
        return Delivery(own_id, _asks_for_nothing(envelope.type))
    push = bodies.read(_CloudEventPush, document)
    return Delivery(own_id, _pushed(push.data, _moment(push.time)))


def _asks_for_nothing(event_type: str) -> Ignored:
    return Ignored(f"{event_type} asks for nothing")


def _pushed(artifacts: _Artifacts, at: datetime) -> tuple[ImagePushed, ...] | Ignored:
    found = [_event(resource, artifacts.repository.repo_full_name, at) for resource in artifacts.resources]
    events = tuple(event for event in found if event is not None)
    if events:
        return events
    # Each child of a multi-arch index is such a push; only the index itself carries the tag.
    return Ignored("pushed by digest, without a tag to follow" if found else "names no artifact")


def _event(resource: _Resource, repository: str, at: datetime) -> ImagePushed | None:
    if not images.is_digest(resource.digest):
        raise bodies.malformed(f"digest {bodies.quoted(resource.digest)} is not sha256:<64 hex>")
    image = _image(resource.resource_url, repository)
    if resource.tag in {"", resource.digest}:
        return None
    if not images.is_tag(resource.tag):
        raise bodies.malformed(f"tag {bodies.quoted(resource.tag)} is outside the OCI grammar")
    return ImagePushed(image, resource.tag, resource.digest, at)


def _image(resource_url: str, repository: str) -> str:
    """The registry calls itself by the host of resource_url: `host[:port]/repository(:tag|@digest)`, no scheme."""
    host, _, rest = resource_url.partition("/")
    name = f"{host}/{repository}"
    if not host or not repository or not images.is_name(name):
        raise bodies.malformed(f"{bodies.quoted(name)} is not an image name (from resource_url and repo_full_name)")
    if not rest.startswith(repository) or rest.removeprefix(repository)[:1] not in {"", ":", "@"}:
        raise bodies.malformed(f"resource_url {bodies.quoted(resource_url)} and repo_full_name disagree")
    return name


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.upper()) if _RFC3339.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None or not _EARLIEST <= moment.timestamp() < _LATEST:
        raise bodies.malformed(f"time {bodies.quoted(text)} is not a moment between 2016 and 2100 by RFC 3339")
    return moment.astimezone(UTC)
