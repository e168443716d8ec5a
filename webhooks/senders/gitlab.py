"""GitLab's webhooks of projects and groups, and the system hooks of an installation.

https://docs.gitlab.com/user/project/integrations/webhook_events/
https://docs.gitlab.com/administration/system_hooks/
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gitops.core.image_updates.events import ConfigPushed, Ignored
from webhooks import bodies
from webhooks.deliveries import Delivery
from webhooks.senders import git_push
from webhooks.senders.git_push import RefUpdate, Url


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
    """One push of several refs, as a system hook sends it."""

    model_config = bodies.STRICT
    project: _Project
    changes: list[_Ref]


class _System(BaseModel):
    model_config = bodies.STRICT
    event_name: str | None = None


def parse(headers: Mapping[str, str], body: bytes) -> Delivery:
    """A push of branches or tags gives one event for each ref; every other event is ignored.

    Raises: Rejected(MalformedDelivery).
    """
    given = headers.get("idempotency-key") or headers.get("webhook-id")
    signed = headers.get("webhook-id") if "webhook-signature" in headers else None
    content = _read_event(headers.get("x-gitlab-event", ""), bodies.decode(body))
    return Delivery(bodies.delivery_id(given), content, signed_id=bodies.delivery_id(signed))


def _read_event(event: str, document: dict[str, Any]) -> tuple[ConfigPushed, ...] | Ignored:
    if event in {"Push Hook", "Tag Push Hook"}:
        return _read_push(document)
    if event != "System Hook":
        return git_push.ignore("X-Gitlab-Event", event)
    name = bodies.read(_System, document).event_name or "System Hook"
    if name in {"push", "tag_push"}:
        return _read_push(document)
    if name == "repository_update":
        update = bodies.read(_Update, document)
        return git_push.events(update.project.urls(), [RefUpdate(each.ref, each.after) for each in update.changes])
    return git_push.ignore("X-Gitlab-Event", name)


def _read_push(document: dict[str, Any]) -> tuple[ConfigPushed, ...] | Ignored:
    push = bodies.read(_Push, document)
    return git_push.events(push.project.urls(), [RefUpdate(push.ref, push.after)])
