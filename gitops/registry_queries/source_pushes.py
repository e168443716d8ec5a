"""Pushes to the repositories that services are built from, as git hosts announce them: what may become an image soon.

Hints alone: nothing is fetched, resolved or decided by them, and a restart forgets them. Which commit an image was
built from is told by the image's labels.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.image_updates import build_origin as origin
from gitops.core.image_updates.build_origin import SourcePush
from gitops.core.image_updates.events import ConfigPushed
from gitops.core.parsing import git_urls

MOST_KEPT = 5
"""Of each service, the newest."""


class SourcePushes:
    """Thread-safe."""

    def __init__(self, pipeline: Callable[[], Pipeline | None], now: Callable[[], datetime]) -> None:
        self._pipeline = pipeline
        self._now = now
        self._heard: dict[str, tuple[SourcePush, ...]] = {}
        self._lock = threading.Lock()

    def on_source_push(self, event: ConfigPushed) -> str | None:
        """What comes of a push, in a sentence; None when no service of pipeline.yaml is built from its repository."""
        declared = self._pipeline()
        services = origin.built_from(event.urls, declared) if declared else ()
        if declared is None or not services:
            return None
        what = f"the push is to the source of {', '.join(services)}"
        if not event.after or not event.ref or not (origin.is_revision(event.after) and git_urls.is_ref(event.ref)):
            return f"{what}; there is no commit to show"
        push = SourcePush(event.after, event.ref, self._now())
        with self._lock:
            kept = {name: pushes for name, pushes in self._heard.items() if name in declared.services}
            self._heard = kept | {name: _with(kept.get(name, ()), push) for name in services}
        return f"{what}; the page shows it until there is an image of it"

    def of(self, service: str) -> Sequence[SourcePush]:
        """What was heard of, the newest first."""
        return self._heard.get(service, ())


def _with(known: Sequence[SourcePush], push: SourcePush) -> tuple[SourcePush, ...]:
    """One that was announced before counts from the first time on."""
    if any((each.revision, each.ref) == (push.revision, push.ref) for each in known):
        return tuple(known)
    return (push, *known)[:MOST_KEPT]
