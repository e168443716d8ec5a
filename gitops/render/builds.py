"""From a tree to the text that kustomize prints for an overlay: guard, render, each cached by content."""

import threading

from cachetools import LRUCache

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.tree import Tree
from gitops.core.images.reference import Image
from gitops.core.kustomize import guard
from gitops.core.kustomize.guard import Closure, Guard
from gitops.core.manifests import container_images
from gitops.core.manifests import manifest as manifests
from gitops.ports import Renderer, Trees

_MOST_KNOWN = 2_000


class Builds:
    """Thread-safe. All readers of one repo share one, so that no file is read twice. Every method raises Rejected with
    file and line, Unavailable as the renderer does.
    """

    def __init__(self, repo: Trees, renderer: Renderer) -> None:
        self.repo = repo
        self.renderer = renderer
        self._guard = Guard(repo.read)
        self._images: LRUCache[str, frozenset[Image]] = LRUCache(_MOST_KNOWN)
        self._lock = threading.Lock()

    def closure(self, tree: Tree, path: str) -> Closure:
        """The files that a build of the directory `path` reads, and no others."""
        return self._guard.closure(tree, path)

    def text(self, closure: Closure) -> bytes:
        """The output of kustomize."""
        known = self.renderer.read_cached(closure.key)
        return known if known is not None else self.renderer.render(guard.source(closure, self.repo.read))

    def images(self, overlay: Overlay, tree: Tree) -> frozenset[Image]:
        """The images that the containers use."""
        closure = self.closure(tree, overlay.path)
        with self._lock:
            known = self._images.get(closure.key)
        if known is None:
            known = container_images.images(manifests.parse(self.text(closure), overlay, lambda _: True))
            with self._lock:
                self._images[closure.key] = known
        return known
