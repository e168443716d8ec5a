"""Bitbucket Data Center's webhooks.

https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
"""

from collections.abc import Mapping

from pydantic import BaseModel

from gitops.core.image_updates.events import Ignored
from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import git_push
from webhooks.senders.git_push import RefUpdate, Url


class _Link(BaseModel):
    model_config = bodies.STRICT
    href: Url


class _Links(BaseModel):
    model_config = bodies.STRICT
    clone: list[_Link] = []


class _Repository(BaseModel):
    model_config = bodies.STRICT
    links: _Links = _Links()


class _Ref(BaseModel):
    model_config = bodies.STRICT
    id: str


class _Change(BaseModel):
    """`toHash` is zeros for a deleted ref."""

    model_config = bodies.STRICT
    ref: _Ref
    toHash: str  # noqa: N815  # Bitbucket's name


class _Push(BaseModel):
    model_config = bodies.STRICT
    repository: _Repository
    changes: list[_Change]


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push gives one event for each of its refs; a ping and every other event are ignored.

    Raises: Rejected(MalformedDelivery).
    """
    own_id = bodies.delivery_id(headers.get("x-request-id"))
    event, document = headers.get("x-event-key", ""), bodies.decode(body)
    if event == "diagnostics:ping":
        return Delivery(own_id, Ignored("the webhook works"))
    if event != "repo:refs_changed":
        return Delivery(own_id, git_push.ignore("X-Event-Key", event))
    push = bodies.read(_Push, document)
    urls = [link.href for link in push.repository.links.clone]
    return Delivery(own_id, git_push.events(urls, [RefUpdate(each.ref.id, each.toHash) for each in push.changes]))
