"""Bitbucket Cloud's webhooks.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Push
"""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import git_push
from webhooks.senders.git_push import RefUpdate, Url

# The documentation still names the types of Mercurial, which Bitbucket no longer hosts.
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
        """The payload holds no clone URL. Bitbucket Cloud is one host, so the clone URLs follow from the full name."""
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

    def update(self, after: str | None) -> RefUpdate:
        return RefUpdate(f"refs/{_DIRECTORIES.get(self.type, self.type)}/{self.name}", after)


class _Change(BaseModel):
    """`new` is null for a deleted ref, `old` for a new one."""

    model_config = bodies.STRICT
    new: _Ref | None = None
    old: _Ref | None = None

    def update(self) -> RefUpdate | None:
        if self.new is not None:
            return self.new.update(self.new.target.hash if self.new.target else None)
        return self.old.update(None) if self.old is not None else None


class _Changes(BaseModel):
    model_config = bodies.STRICT
    changes: list[_Change]


class _Push(BaseModel):
    model_config = bodies.STRICT
    push: _Changes
    repository: _Repository


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push gives one event for each of its refs, and one event without a ref if Bitbucket left the refs out.

    Raises: Rejected(MalformedDelivery).
    """
    own_id = bodies.delivery_id(headers.get("x-request-uuid"))
    event, document = headers.get("x-event-key", ""), bodies.decode(body)
    if event != "repo:push":
        return Delivery(own_id, git_push.ignore("X-Event-Key", event))
    push = bodies.read(_Push, document)
    updates = [found for found in (change.update() for change in push.push.changes) if found is not None]
    return Delivery(own_id, git_push.events(push.repository.urls(), updates))
