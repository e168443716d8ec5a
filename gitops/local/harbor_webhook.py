"""Simulates Harbor: sends the webhook that a registry sends after `docker push`. There is no registry; the digest is a
hash of name and tag, so the same image always has the same digest.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from gitops.core.errors import Rejected, Unavailable
from gitops.core.images.reference import Image, is_name, is_tag
from gitops.local.webhook_answer import sentences


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The controller's answer: the HTTP status and one sentence per event, or the message of a refusal."""

    status: int
    sentences: tuple[str, ...]

    @property
    def is_accepted(self) -> bool:
        return self.status == 200


def image(name: str, tag: str) -> Image:
    """Makes the image of a tag. `name` is the repository with its registry host.

    Raises: Rejected(InvalidImage).
    """
    if not is_name(name) or not is_tag(tag):
        raise Rejected("InvalidImage", f"{name}:{tag} is not a valid image name and tag")
    service = name.rpartition("/")[2]
    return Image(name, tag, "sha256:" + hashlib.sha256(f"{service}:{tag}".encode()).hexdigest())


def body(pushed: Image, at: datetime) -> bytes:
    """The body of PUSH_ARTIFACT in Default format, as Harbor 2.15 sends it."""
    _, _, full_name = pushed.name.partition("/")
    project, _, repository = full_name.partition("/")
    seconds = int(at.timestamp())
    resource = {"digest": pushed.digest, "tag": pushed.tag, "resource_url": f"{pushed.name}:{pushed.tag}"}
    event = {
        "type": "PUSH_ARTIFACT",
        "occur_at": seconds,
        "operator": "robot$jenkins",
        "event_data": {
            "resources": [resource],
            "repository": {
                "date_created": seconds,
                "name": repository,
                "namespace": project,
                "repo_full_name": full_name,
                "repo_type": "private",
            },
        },
    }
    return json.dumps(event).encode()


def push(url: str, authorization: str, pushed: Image, at: datetime) -> WebhookAnswer:
    """Sends the webhook once, with Harbor's time limit of 3 s.

    Raises: Unavailable(NoAnswer).
    """
    headers = {"Content-Type": "application/json", "Authorization": authorization}
    try:
        with PoolManager(timeout=3.0, retries=False) as pool:
            response = pool.request("POST", url, body=body(pushed, at), headers=headers)
    except HTTPError as error:
        raise Unavailable("NoAnswer", f"no answer from {url} within 3 s: is the controller running?") from error
    return WebhookAnswer(response.status, sentences(response.data))
