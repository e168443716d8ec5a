"""Refs that moved, as git hosts tell of them -> one event each. Of a payload only names are taken: the URLs are
compared and never fetched, the lists of commits and files are not read, and what moved is asked of the config repo.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gitops.core import remotes
from gitops.core.errors import Rejected
from gitops.core.events import ConfigPushed, Ignored
from webhooks import bodies

Url = Annotated[str, Field(max_length=2048)]
"""How long a URL in a model of a payload may be."""

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_REFS = 100
_MOST_URLS = 10  # each is compared for each ref


@dataclass(frozen=True, slots=True)
class Moved:
    """A ref as the host writes it; `after` is an object id, zeros or None when the ref was deleted."""

    ref: str
    after: str | None


def events(urls: Iterable[str | None], moved: Sequence[Moved]) -> tuple[ConfigPushed, ...] | Ignored:
    """One event for every branch and tag; one without a ref when the host names none or too many to look at singly.

    A ref that git would not take is left out as long as others came with it.
    Raises: Rejected(MalformedDelivery) when nothing else is left.
    """
    named = tuple(url for url in urls if url)[:_MOST_URLS]
    if not named:
        return Ignored("the payload names no repository")
    if not moved or len(moved) > _MOST_REFS:
        return (ConfigPushed(named, None, None),)
    sound, wrong = [], []
    for each in moved:
        try:
            sound.append(ConfigPushed(named, _ref(each.ref), _after(each.after)))
        except Rejected as error:
            wrong.append(error)
    if not sound:
        raise wrong[0]
    return tuple(sound)


def no_push(header: str, event: str) -> Ignored:
    """The answer to every other event. Raises: Rejected(MalformedDelivery) when the header that names it is missing."""
    if not event:
        raise bodies.malformed(f"the header {header} is missing")
    return Ignored(f"event {bodies.quoted(event)} asks for nothing")


def _ref(name: str) -> str:
    if not remotes.is_ref(name):
        raise bodies.malformed(f"ref {bodies.quoted(name)} is not the full name of a branch or tag")
    return name


def _after(object_id: str | None) -> str | None:
    if object_id is None:
        return None
    if not _OBJECT_ID.fullmatch(object_id):
        raise bodies.malformed(f"after {bodies.quoted(object_id)} is not an object id")
    return object_id if object_id.strip("0") else None
