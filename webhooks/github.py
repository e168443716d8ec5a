"""GitHub's push webhook, and those of Gitea, Forgejo and Gogs where they speak GitHub's dialect.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field

from gitops.core import remotes
from gitops.core.events import ConfigPushed, Ignored
from webhooks import bodies
from webhooks.deliveries import Delivery

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_Url = Annotated[str, Field(max_length=2048)]


class _Repository(BaseModel):
    model_config = bodies.STRICT
    clone_url: _Url | None = None
    ssh_url: _Url | None = None
    html_url: _Url | None = None


class _Push(BaseModel):
    model_config = bodies.STRICT
    ref: str
    after: str
    repository: _Repository


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push is one event; a ping and everything else asks for nothing.

    Raises: Rejected(MalformedDelivery).
    """
    own_id = bodies.senders_id(headers.get("x-github-delivery"))
    event = headers.get("x-github-event", "")
    document = bodies.decode(body)
    if event == "push":
        return Delivery(own_id, _pushed(bodies.read(_Push, document)))
    if not event:
        raise bodies.malformed("the header X-GitHub-Event is missing")
    reason = "the webhook works" if event == "ping" else f"event {bodies.quoted(event)} asks for nothing"
    return Delivery(own_id, Ignored(reason))


def _pushed(push: _Push) -> tuple[ConfigPushed, ...] | Ignored:
    if not _OBJECT_ID.fullmatch(push.after):
        raise bodies.malformed(f"after {bodies.quoted(push.after)} is not an object id")
    if not remotes.is_ref(push.ref):
        raise bodies.malformed(f"ref {bodies.quoted(push.ref)} is not the full name of a branch or tag")
    named = (push.repository.clone_url, push.repository.ssh_url, push.repository.html_url)
    urls = tuple(url for url in named if url)
    if not urls:
        return Ignored("the payload names no repository")
    return (ConfigPushed(urls, push.ref, push.after if push.after.strip("0") else None),)
