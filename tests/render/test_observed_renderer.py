"""Each render is reported once: from the cache, built or failed."""

import pytest

from gitops.core.config_repo.tree import Source
from gitops.core.errors import Rejected
from gitops.render.observed_renderer import ObservedRenderer


class Kitchen:
    """A renderer, and the observer of it. A source of the key `bad` cannot be built."""

    version = "v1"

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.seen: list[tuple[str, float]] = []
        self.time = 0.0

    def render(self, source: Source) -> bytes:
        self.time += 2.0
        if source.key == "bad":
            raise Rejected("BuildFailed", "no such file")
        return self.kept.setdefault(source.key, b"text")

    def read_cached(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def on_render(self, result: str, seconds: float) -> None:
        self.seen.append((result, seconds))


def test_render_is_built_once_and_then_a_hit() -> None:
    kitchen = Kitchen()
    renderer = ObservedRenderer(kitchen, kitchen, lambda: kitchen.time)
    source = Source(".", {}, "good")
    assert renderer.read_cached("good") is None
    assert renderer.render(source) == renderer.render(source) == renderer.read_cached("good") == b"text"
    assert kitchen.seen == [("built", 2.0), ("hit", 0.0), ("hit", 0.0)]


def test_render_that_failed_is_reported_and_raised() -> None:
    kitchen = Kitchen()
    renderer = ObservedRenderer(kitchen, kitchen, lambda: kitchen.time)
    with pytest.raises(Rejected, match="no such file"):
        renderer.render(Source(".", {}, "bad"))
    assert kitchen.seen == [("failed", 2.0)]
