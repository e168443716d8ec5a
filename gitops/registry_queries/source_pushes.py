"""Pushes to the repositories that services are built from, as git hosts announce them: images may follow soon.

They are shown on the page and nothing else: Lockstep fetches, resolves and decides nothing by them, and a restart
forgets them. From which commit an image was built, its labels say (build_origins.py).
"""

import threading
from collections.abc import Sequence

from gitops.core.image_updates import build_origin
from gitops.core.image_updates.build_origin import SourcePush
from gitops.core.image_updates.events import ConfigPushed
from gitops.core.parsing import git_urls
from gitops.ports import Clock, ConfigHead

MOST_KEPT = 5
"""Of each service, the newest."""


class SourcePushes:
    """Thread-safe."""

    def __init__(self, head: ConfigHead, clock: Clock) -> None:
        self._head = head
        self._clock = clock
        self._pushes: dict[str, tuple[SourcePush, ...]] = {}
        self._lock = threading.Lock()

    def source_pushed(self, event: ConfigPushed) -> str | None:
        """A sentence about the effect of the push; None when pipeline.yaml builds no service from its repository."""
        declared = self._head.pipeline()
        services = build_origin.built_from(event.urls, declared) if declared else ()
        if declared is None or not services:
            return None
        what = f"the push is to the source of {', '.join(services)}"
        if (
            not event.after
            or not event.ref
            or not (build_origin.is_revision(event.after) and git_urls.is_ref(event.ref))
        ):
            return f"{what}; there is no commit to show"
        push = SourcePush(event.after, event.ref, self._clock.now())
        with self._lock:
            kept = {name: pushes for name, pushes in self._pushes.items() if name in declared.services}
            self._pushes = kept | {name: _with(kept.get(name, ()), push) for name in services}
        return f"{what}; the page shows it until there is an image of it"

    def of(self, service: str) -> Sequence[SourcePush]:
        """The announced pushes, the newest first."""
        return self._pushes.get(service, ())


def _with(known: Sequence[SourcePush], push: SourcePush) -> tuple[SourcePush, ...]:
    """A push that was announced before counts from the first time on."""
    if any((each.revision, each.ref) == (push.revision, push.ref) for each in known):
        return tuple(known)
    return (push, *known)[:MOST_KEPT]
