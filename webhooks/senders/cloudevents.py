"""CloudEvents over HTTP, in structured or binary mode: for a pipeline that announces what it pushed by itself.

| type                     | data                                                                              |
|--------------------------|-----------------------------------------------------------------------------------|
| `lockstep.image.pushed`  | `image` with its registry, `tag`, `digest`, `pushed_at`                           |
| `lockstep.config.pushed` | `repository` (a URL), `ref` (its full name), `after` (the new commit, if known)   |

The signature covers the body only. In binary mode the type is in a header and not signed. The `data` of one type is
never valid for the other type, so a changed header only makes the delivery refused or ignored.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, Field

from gitops.core.image_updates.events import Event, Ignored, ImagePushed
from gitops.core.images import reference as images
from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import git_push
from webhooks.senders.git_push import RefUpdate, Url

IMAGE_PUSHED = "lockstep.image.pushed"
CONFIG_PUSHED = "lockstep.config.pushed"

_STRUCTURED = "application/cloudevents+json"
_Text = Annotated[str, Field(min_length=1, max_length=1024)]


class _Attributes(BaseModel):
    model_config = bodies.STRICT
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,254}$")]


class _WithData(BaseModel):
    model_config = bodies.STRICT
    data: dict[str, Any]


class _Image(BaseModel):
    model_config = bodies.STRICT
    image: str
    tag: str
    digest: str
    pushed_at: str


class _Config(BaseModel):
    model_config = bodies.STRICT
    repository: Url
    ref: str
    after: str | None = None


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Each of the two types above gives one event; every other type is ignored.

    Raises: Rejected(MalformedDelivery).
    """
    document = bodies.decode(body)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _STRUCTURED:
        attributes = bodies.read(_Attributes, document)
        data = bodies.read(_WithData, document).data if attributes.type in _READERS else {}
    elif media_type.startswith("application/cloudevents"):
        raise bodies.malformed(f"send one event as {_STRUCTURED}, or its data as application/json with ce- headers")
    else:
        attributes, data = bodies.read(_Attributes, _from_headers(headers)), document
    return Delivery(bodies.delivery_id(attributes.id), _read_events(attributes.type, data))


def _from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Reads the attributes of binary mode. Values are percent-encoded UTF-8 (section 3.1.3.2)."""
    return {
        name.removeprefix("ce-"): unquote(value, errors="replace")
        for name, value in headers.items()
        if name.startswith("ce-")
    }


def _read_events(event_type: str, data: dict[str, Any]) -> tuple[Event, ...] | Ignored:
    reader = _READERS.get(event_type)
    if reader is None:
        return Ignored(f"type {bodies.quote(event_type)} needs no action; send {' or '.join(_READERS)}")
    return reader(data)


def _read_image(data: dict[str, Any]) -> tuple[Event, ...]:
    sent = bodies.read(_Image, data)
    if not images.is_name(sent.image) or "/" not in sent.image:
        raise bodies.malformed(f"image {bodies.quote(sent.image)} is not registry/repository without tag or digest")
    if not images.is_tag(sent.tag):
        raise bodies.malformed(f"tag {bodies.quote(sent.tag)} is not a valid OCI tag")
    if not images.is_digest(sent.digest):
        raise bodies.malformed(f"digest {bodies.quote(sent.digest)} is not sha256:<64 hex>")
    return (ImagePushed(sent.image, sent.tag, sent.digest, bodies.parse_time("pushed_at", sent.pushed_at)),)


def _read_config(data: dict[str, Any]) -> tuple[Event, ...] | Ignored:
    sent = bodies.read(_Config, data)
    return git_push.events([sent.repository], [RefUpdate(sent.ref, sent.after)])


_READERS = {IMAGE_PUSHED: _read_image, CONFIG_PUSHED: _read_config}
