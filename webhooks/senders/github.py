"""GitHub's webhooks. Gitea, Forgejo and Gogs send the same payloads with headers of their own.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from gitops.core.image_updates.events import ConfigPushed, Ignored
from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import git_push
from webhooks.senders.git_push import RefUpdate, Url


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
    """A push or a deletion gives one event; a ping and every other event are ignored.

    Raises: Rejected(MalformedDelivery).
    """
    own_id = bodies.delivery_id(headers.get("x-github-delivery"))
    return Delivery(own_id, read_push("X-GitHub-Event", headers, bodies.decode(body)))


def read_push(
    event_header: str, headers: Mapping[str, str], document: dict[str, Any]
) -> tuple[ConfigPushed, ...] | Ignored:
    """Reads a payload of GitHub's form; the header `event_header` names the event.

    Raises: Rejected(MalformedDelivery).
    """
    event = headers.get(event_header.lower(), "")
    if event == "push":
        push = bodies.read(_Push, document)
        return git_push.events(push.repository.urls(), [RefUpdate(push.ref, push.after)])
    if event == "delete":  # Gitea sends no push for a deleted branch
        gone = bodies.read(_Deletion, document)
        directory = "heads" if gone.ref_type == "branch" else "tags"
        return git_push.events(gone.repository.urls(), [RefUpdate(f"refs/{directory}/{gone.ref}", None)])
    return Ignored("the webhook works") if event == "ping" else git_push.ignore(event_header, event)
