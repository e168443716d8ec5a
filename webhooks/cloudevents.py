"""Whoever speaks neither as a registry nor as a git host: a pipeline that announces what it pushed, as a CloudEvent
over HTTP in structured or binary mode.

| type                     | data                                                                              |
|--------------------------|-----------------------------------------------------------------------------------|
| `lockstep.image.pushed`  | `image` with its registry, `tag`, `digest`, `pushed_at`                           |
| `lockstep.config.pushed` | `repository` (a URL), `ref` (its full name), `after` (the new commit, if known)   |

The signature covers the body. In binary mode the type stands outside of it, in a header; no `data` of one type can be
read as another's, so a changed header only gets the delivery refused or ignored.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, Field

from gitops.core.image_updates.events import Event, Ignored, ImagePushed
from gitops.core.images import reference as images
from webhooks import bodies, pushes
from webhooks.deliveries import Delivery
from webhooks.pushes import Moved, Url

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
    """One of the two types above is one event; every other type asks for nothing.

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
    return Delivery(bodies.senders_id(attributes.id), _said(attributes.type, data))


def _from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Binary mode. Values are percent-encoded UTF-8 (section 3.1.3.2)."""
    return {
        name.removeprefix("ce-"): unquote(value, errors="replace")
        for name, value in headers.items()
        if name.startswith("ce-")
    }


def _said(event_type: str, data: dict[str, Any]) -> tuple[Event, ...] | Ignored:
    reader = _READERS.get(event_type)
    if reader is None:
        return Ignored(f"type {bodies.quoted(event_type)} asks for nothing: read are {', '.join(_READERS)}")
    return reader(data)


def _image_pushed(data: dict[str, Any]) -> tuple[Event, ...]:
    said = bodies.read(_Image, data)
    if not images.is_name(said.image) or "/" not in said.image:
        raise bodies.malformed(f"image {bodies.quoted(said.image)} is not registry/repository without tag or digest")
    if not images.is_tag(said.tag):
        raise bodies.malformed(f"tag {bodies.quoted(said.tag)} is outside the OCI grammar")
    if not images.is_digest(said.digest):
        raise bodies.malformed(f"digest {bodies.quoted(said.digest)} is not sha256:<64 hex>")
    return (ImagePushed(said.image, said.tag, said.digest, bodies.moment("pushed_at", said.pushed_at)),)


def _config_pushed(data: dict[str, Any]) -> tuple[Event, ...] | Ignored:
    said = bodies.read(_Config, data)
    return pushes.events([said.repository], [Moved(said.ref, said.after)])


_READERS = {IMAGE_PUSHED: _image_pushed, CONFIG_PUSHED: _config_pushed}
