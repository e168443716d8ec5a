"""GitLab's webhooks of projects and groups, and the system hooks of an installation.

https://docs.gitlab.com/user/project/integrations/webhook_events/
https://docs.gitlab.com/administration/system_hooks/
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gitops.core.image_updates.events import ConfigPushed, Ignored
from webhooks import bodies, pushes
from webhooks.deliveries import Delivery
from webhooks.pushes import Moved, Url


class _Project(BaseModel):
    model_config = bodies.STRICT
    git_http_url: Url | None = None
    git_ssh_url: Url | None = None
    web_url: Url | None = None

    def urls(self) -> tuple[str | None, ...]:
        return self.git_http_url, self.git_ssh_url, self.web_url


class _Ref(BaseModel):
    model_config = bodies.STRICT
    ref: str
    after: str


class _Push(_Ref):
    project: _Project


class _Update(BaseModel):
    """One push of several refs, as a system hook tells of it."""

    model_config = bodies.STRICT
    project: _Project
    changes: list[_Ref]


class _System(BaseModel):
    model_config = bodies.STRICT
    event_name: str | None = None


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push of branches or tags is one event for each ref; everything else asks for nothing.

    Raises: Rejected(MalformedDelivery).
    """
    given = headers.get("idempotency-key") or headers.get("webhook-id")
    signed = headers.get("webhook-id") if "webhook-signature" in headers else None
    content = _said(headers.get("x-gitlab-event", ""), bodies.decode(body))
    return Delivery(bodies.senders_id(given), content, signed_id=bodies.senders_id(signed))


def _said(event: str, document: dict[str, Any]) -> tuple[ConfigPushed, ...] | Ignored:
    if event in {"Push Hook", "Tag Push Hook"}:
        return _pushed(document)
    if event != "System Hook":
        return pushes.no_push("X-Gitlab-Event", event)
    name = bodies.read(_System, document).event_name or "System Hook"
    if name in {"push", "tag_push"}:
        return _pushed(document)
    if name == "repository_update":
        update = bodies.read(_Update, document)
        return pushes.events(update.project.urls(), [Moved(each.ref, each.after) for each in update.changes])
    return pushes.no_push("X-Gitlab-Event", name)


def _pushed(document: dict[str, Any]) -> tuple[ConfigPushed, ...] | Ignored:
    push = bodies.read(_Push, document)
    return pushes.events(push.project.urls(), [Moved(push.ref, push.after)])
