"""GitHub's webhooks. Gitea, Forgejo and Gogs speak the same dialect under headers of their own.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from gitops.core.image_updates.events import ConfigPushed, Ignored
from webhooks import bodies, pushes
from webhooks.deliveries import Delivery
from webhooks.pushes import Moved, Url


class _Repository(BaseModel):
    model_config = bodies.STRICT
    clone_url: Url | None = None
    ssh_url: Url | None = None
    html_url: Url | None = None

    def urls(self) -> tuple[str | None, ...]:
        return self.clone_url, self.ssh_url, self.html_url


class _Push(BaseModel):
    model_config = bodies.STRICT
    ref: str
    after: str
    repository: _Repository


class _Deletion(BaseModel):
    """`ref` is the short name here."""

    model_config = bodies.STRICT
    ref: str
    ref_type: Literal["branch", "tag"]
    repository: _Repository


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push and a deletion are one event; a ping and everything else asks for nothing.

    Raises: Rejected(MalformedDelivery).
    """
    own_id = bodies.senders_id(headers.get("x-github-delivery"))
    return Delivery(own_id, said("X-GitHub-Event", headers, bodies.decode(body)))


def said(event_header: str, headers: Mapping[str, str], document: dict[str, Any]) -> tuple[ConfigPushed, ...] | Ignored:
    """What a host of this dialect says, whose header of this name holds the event.

    Raises: Rejected(MalformedDelivery).
    """
    event = headers.get(event_header.lower(), "")
    if event == "push":
        push = bodies.read(_Push, document)
        return pushes.events(push.repository.urls(), [Moved(push.ref, push.after)])
    if event == "delete":  # Gitea sends no push for a deleted branch
        gone = bodies.read(_Deletion, document)
        directory = "heads" if gone.ref_type == "branch" else "tags"
        return pushes.events(gone.repository.urls(), [Moved(f"refs/{directory}/{gone.ref}", None)])
    return Ignored("the webhook works") if event == "ping" else pushes.no_push(event_header, event)
