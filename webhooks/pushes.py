"""Refs that moved, as git hosts tell of them -> one event each. Of a payload only names are taken: the URLs are
compared and never fetched, the lists of commits and files are not read, and what moved is asked of the config repo.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gitops.core.image_updates.events import ConfigPushed, Ignored
from gitops.core.parsing import git_urls as remotes
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

    A ref that is not read is left out. When no other came with it the answer says so, and it is no error: git takes
    more names than we do, the push may be of any repository, and hosts switch off a webhook that fails.
    """
    named = tuple(url for url in urls if url)[:_MOST_URLS]
    if not named:
        return Ignored("the payload names no repository")
    if not moved or len(moved) > _MOST_REFS:
        return (ConfigPushed(named, None, None),)
    wrong = [_flaw(each) for each in moved]
    sound = [ConfigPushed(named, each.ref, _after(each)) for each, flaw in zip(moved, wrong, strict=True) if not flaw]
    return tuple(sound) or Ignored(wrong[0])


def no_push(header: str, event: str) -> Ignored:
    """The answer to every other event. Raises: Rejected(MalformedDelivery) when the header that names it is missing."""
    if not event:
        raise bodies.malformed(f"the header {header} is missing")
    return Ignored(f"event {bodies.quoted(event)} asks for nothing")


def _flaw(moved: Moved) -> str:
    """Why nothing is asked of git by these names; empty when they are sound."""
    if not remotes.is_ref(moved.ref):
        return f"ref {bodies.quoted(moved.ref)} is not the name of a branch or tag that is read here"
    if moved.after is not None and not _OBJECT_ID.fullmatch(moved.after):
        return f"after {bodies.quoted(moved.after)} is not an object id"
    return ""


def _after(moved: Moved) -> str | None:
    return moved.after if moved.after is not None and moved.after.strip("0") else None
