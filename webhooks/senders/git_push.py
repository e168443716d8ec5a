"""Turns the refs in a git host's push payload into ConfigPushed events: shared by the modules of all git hosts.

Only names are taken from a payload. URLs are compared and never fetched; lists of commits and files are not read. The
controller fetches the config repo to learn what changed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gitops.core.image_updates.events import ConfigPushed, Ignored
from gitops.core.parsing import git_urls
from webhooks import bodies

Url = Annotated[str, Field(max_length=2048)]
"""A URL in a payload, with its maximum length in characters."""

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_REFS = 100
_MOST_URLS = 10  # every URL is compared for every ref


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A pushed ref as the host writes it. `after` is an object id; zeros or None mean that the ref was deleted."""

    ref: str
    after: str | None


def events(urls: Iterable[str | None], updates: Sequence[RefUpdate]) -> tuple[ConfigPushed, ...] | Ignored:
    """One event for each branch and tag. If the host names no ref, or more than 100, one event without a ref.

    A ref whose name is invalid here is left out. If no other ref came with it, the result is Ignored and not an error:
    git allows more names, the push may be of any repository, and hosts disable a webhook that fails.
    """
    named = tuple(url for url in urls if url)[:_MOST_URLS]
    if not named:
        return Ignored("the payload names no repository")
    if not updates or len(updates) > _MOST_REFS:
        return (ConfigPushed(named, None, None),)
    flaws = [_find_flaw(each) for each in updates]
    valid = [ConfigPushed(named, each.ref, _after(each)) for each, flaw in zip(updates, flaws, strict=True) if not flaw]
    return tuple(valid) or Ignored(flaws[0])


def ignore(header: str, event: str) -> Ignored:
    """The result for an event that is no push. Raises: Rejected(MalformedDelivery) if `header`, which names the event,
    is missing.
    """
    if not event:
        raise bodies.malformed(f"the header {header} is missing")
    return Ignored(f"event {bodies.quote(event)} needs no action")


def _find_flaw(update: RefUpdate) -> str:
    """The reason why the update is not passed on; empty for a valid one."""
    if not git_urls.is_ref(update.ref):
        return f"ref {bodies.quote(update.ref)} is not a valid branch or tag name"
    if update.after is not None and not _OBJECT_ID.fullmatch(update.after):
        return f"after {bodies.quote(update.after)} is not an object id"
    return ""


def _after(update: RefUpdate) -> str | None:
    return update.after if update.after is not None and update.after.strip("0") else None
