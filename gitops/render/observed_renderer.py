"""A renderer that reports each render: from the cache, built or failed. Not here: kustomize itself."""

from collections.abc import Callable

from gitops.core.config_repo.tree import Source
from gitops.core.errors import GitopsError
from gitops.ports import Renderer, RenderObserver


class ObservedRenderer:
    """Implements ports.Renderer on top of another renderer. `clock` is monotonic seconds."""

    def __init__(self, renderer: Renderer, observer: RenderObserver, clock: Callable[[], float]) -> None:
        self.version = renderer.version
        self._renderer = renderer
        self._observer = observer
        self._clock = clock

    def render(self, source: Source) -> bytes:
        """Raises as the other renderer does."""
        known = self.read_cached(source.key)
        if known is not None:
            return known
        began = self._clock()
        try:
            text = self._renderer.render(source)
        except GitopsError:
            self._observer.on_render("failed", self._clock() - began)
            raise
        self._observer.on_render("built", self._clock() - began)
        return text

    def read_cached(self, key: str) -> bytes | None:
        known = self._renderer.read_cached(key)
        if known is not None:
            self._observer.on_render("hit", 0.0)
        return known
