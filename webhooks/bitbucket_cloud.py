"""Bitbucket Cloud's webhooks.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push
"""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from webhooks import bodies, pushes
from webhooks.deliveries import Delivery
from webhooks.pushes import Moved, Url

# Mercurial is gone, its words are still in the documentation.
_DIRECTORIES = {"branch": "heads", "named_branch": "heads", "tag": "tags", "annotated_tag": "tags"}


class _Link(BaseModel):
    model_config = bodies.STRICT
    href: Url | None = None


class _Links(BaseModel):
    model_config = bodies.STRICT
    html: _Link | None = None


class _Repository(BaseModel):
    model_config = bodies.STRICT
    full_name: Url | None = None
    links: _Links | None = None

    def urls(self) -> Iterator[str | None]:
        """The payload holds no URL to clone from; there is one host, so they follow from the name."""
        yield self.links.html.href if self.links and self.links.html else None
        if self.full_name:
            yield f"https://bitbucket.org/{self.full_name}.git"
            yield f"git@bitbucket.org:{self.full_name}.git"


class _Target(BaseModel):
    model_config = bodies.STRICT
    hash: str


class _Ref(BaseModel):
    model_config = bodies.STRICT
    type: str
    name: str
    target: _Target | None = None

    def moved(self, after: str | None) -> Moved:
        return Moved(f"refs/{_DIRECTORIES.get(self.type, self.type)}/{self.name}", after)


class _Change(BaseModel):
    """`new` is null for a deleted ref, `old` for a new one."""

    model_config = bodies.STRICT
    new: _Ref | None = None
    old: _Ref | None = None

    def moved(self) -> Moved | None:
        if self.new is not None:
            return self.new.moved(self.new.target.hash if self.new.target else None)
        return self.old.moved(None) if self.old is not None else None


class _Changes(BaseModel):
    model_config = bodies.STRICT
    changes: list[_Change]


class _Push(BaseModel):
    model_config = bodies.STRICT
    push: _Changes
    repository: _Repository


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push is one event for each of its refs, and one without a ref where Bitbucket left them out.

    Raises: Rejected(MalformedDelivery).
    """
    own_id = bodies.senders_id(headers.get("x-request-uuid"))
    event, document = headers.get("x-event-key", ""), bodies.decode(body)
    if event != "repo:push":
        return Delivery(own_id, pushes.no_push("X-Event-Key", event))
    push = bodies.read(_Push, document)
    moved = [found for found in (change.moved() for change in push.push.changes) if found is not None]
    return Delivery(own_id, pushes.events(push.repository.urls(), moved))
