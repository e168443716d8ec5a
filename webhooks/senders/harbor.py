"""Harbor's webhooks in both formats, Default and CloudEvents (structured mode). Observed on Harbor 2.15.

https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gitops.core.image_updates.events import Event, Ignored, ImageDeleted, ImagePushed, ImageScanned
from gitops.core.images import reference as images
from webhooks import bodies
from webhooks.deliveries import Delivery

_MOST_RESOURCES = 100
_PUSHED = frozenset({"PUSH_ARTIFACT", "harbor.artifact.pushed"})
_DELETED = frozenset({"DELETE_ARTIFACT", "harbor.artifact.deleted"})
_SCANNED = frozenset(
    {
        *("SCANNING_COMPLETED", "SCANNING_STOPPED", "SCANNING_FAILED"),
        *("harbor.scan.completed", "harbor.scan.stopped", "harbor.scan.failed"),
    }
)
_BEFORE_2_0 = frozenset({"pushImage", "pullImage", "deleteImage", "scanningCompleted", "scanningFailed"})

_EventType = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z_.]{0,63}$")]


class _Resource(BaseModel):
    """Harbor may send scans and deletions without a tag, or with the digest in its place."""

    model_config = bodies.STRICT
    digest: str
    tag: str | None = None
    resource_url: str

    @property
    def name(self) -> str | None:
        """The tag, or None without one. Raises: Rejected(MalformedDelivery) for an invalid tag."""
        if self.tag is None or self.tag in {"", self.digest}:
            return None
        if not images.is_tag(self.tag):
            raise bodies.malformed(f"tag {bodies.quote(self.tag)} is not a valid OCI tag")
        return self.tag


class _Repository(BaseModel):
    model_config = bodies.STRICT
    repo_full_name: str


class _Scan(BaseModel):
    model_config = bodies.STRICT
    scan_type: str | None = None


class _Artifacts(BaseModel):
    model_config = bodies.STRICT
    resources: Annotated[list[_Resource], Field(max_length=_MOST_RESOURCES)]
    repository: _Repository
    scan: _Scan | None = None


class _Default(BaseModel):
    model_config = bodies.STRICT
    type: _EventType


class _DefaultEvent(BaseModel):
    model_config = bodies.STRICT
    occur_at: Annotated[int, Field(ge=int(bodies.EARLIEST.timestamp()), lt=int(bodies.LATEST.timestamp()))]
    event_data: _Artifacts


class _CloudEvent(BaseModel):
    model_config = bodies.STRICT
    specversion: Literal["1.0"]
    type: _EventType
    id: str


class _CloudEventAbout(BaseModel):
    model_config = bodies.STRICT
    time: str
    data: _Artifacts


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push gives one event for each tagged artifact, a scan or a deletion one for each artifact; every other event is
    ignored.

    Raises: Rejected(MalformedDelivery).
    """
    document = bodies.decode(body)
    if headers.get("content-type", "").lower().startswith("application/cloudevents+json"):
        return _parse_cloudevent(document)
    return _parse_default(document)


def _parse_default(document: dict[str, Any]) -> Delivery:
    kind = bodies.read(_Default, document).type
    if kind not in _PUSHED | _DELETED | _SCANNED:
        return Delivery(None, _ignore(kind))
    event = bodies.read(_DefaultEvent, document)
    return Delivery(None, _read_events(kind, event.event_data, datetime.fromtimestamp(event.occur_at, UTC)))


def _parse_cloudevent(document: dict[str, Any]) -> Delivery:
    envelope = bodies.read(_CloudEvent, document)
    own_id = bodies.delivery_id(envelope.id)
    if envelope.type not in _PUSHED | _DELETED | _SCANNED:
        return Delivery(own_id, _ignore(envelope.type))
    event = bodies.read(_CloudEventAbout, document)
    return Delivery(own_id, _read_events(envelope.type, event.data, bodies.parse_time("time", event.time)))


def _ignore(kind: str) -> Ignored:
    if kind in _BEFORE_2_0:
        return Ignored(f"{kind} comes from a Harbor before 2.0, which is not supported: upgrade Harbor")
    return Ignored(f"{kind} needs no action")


def _read_events(kind: str, artifacts: _Artifacts, at: datetime) -> tuple[Event, ...] | Ignored:
    if not artifacts.resources:
        return Ignored("the payload names no artifact")
    if kind in _PUSHED:
        return _read_pushes(artifacts, at)
    if kind in _SCANNED and artifacts.scan is not None and artifacts.scan.scan_type == "sbom":
        return Ignored("the scan made a bill of materials; it did not look for vulnerabilities")
    found = [(_image_name(each, artifacts.repository.repo_full_name), each) for each in artifacts.resources]
    if kind in _SCANNED:
        return tuple(ImageScanned(image, each.digest) for image, each in found)
    return tuple(ImageDeleted(image, each.digest, each.name) for image, each in found)


def _read_pushes(artifacts: _Artifacts, at: datetime) -> tuple[Event, ...] | Ignored:
    found = [_read_push(resource, artifacts.repository.repo_full_name, at) for resource in artifacts.resources]
    # Each child of a multi-arch index is pushed without a tag; only the index itself has one.
    events = tuple(event for event in found if event is not None)
    return events or Ignored("the artifact was pushed by digest, without a tag")


def _read_push(resource: _Resource, repository: str, at: datetime) -> ImagePushed | None:
    image = _image_name(resource, repository)
    return None if resource.name is None else ImagePushed(image, resource.name, resource.digest, at)


def _image_name(resource: _Resource, repository: str) -> str:
    """`host[:port]/repository`. The host is that of resource_url: `host[:port]/repository(:tag|@digest)`, no scheme."""
    if not images.is_digest(resource.digest):
        raise bodies.malformed(f"digest {bodies.quote(resource.digest)} is not sha256:<64 hex>")
    resource_url = resource.resource_url
    host, _, rest = resource_url.partition("/")
    name = f"{host}/{repository}"
    if not host or not repository or not images.is_name(name):
        raise bodies.malformed(f"{bodies.quote(name)} is not an image name (from resource_url and repo_full_name)")
    if not rest.startswith(repository) or rest.removeprefix(repository)[:1] not in {"", ":", "@"}:
        raise bodies.malformed(f"resource_url {bodies.quote(resource_url)} and repo_full_name disagree")
    return name
