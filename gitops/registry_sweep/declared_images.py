"""Reads the images that overlays declare at the trunk's head: a sweep compares registries with them."""

import threading
from collections.abc import Mapping

from cachetools import LRUCache

from gitops.core.config_repo import layout
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.ports import ConfigHead, ConfigRepo

_MOST_REMEMBERED = 20_000


class DeclaredImages:
    """Thread-safe; at worst a file is read twice."""

    def __init__(self, repo: ConfigRepo, head: ConfigHead) -> None:
        self._repo = repo
        self._head = head
        self._known: LRUCache[str, tuple[Image, ...]] = LRUCache(_MOST_REMEMBERED)
        self._lock = threading.Lock()

    def read(self) -> Mapping[str, frozenset[Image]]:
        """Name of an image -> the images that overlays of environments with `images: newest` declare under it.

        Raises: Unavailable.
        """
        declared = self._head.pipeline()
        if declared is None:
            return {}
        following = {name for name, each in declared.environments.items() if each.images is not None}
        tree = self._repo.tree(self._repo.head())
        found: dict[str, set[Image]] = {}
        for place in self._head.overlays().values():
            file = layout.kustomization(place.path, tree) if place.environment in following else None
            for image in self._read_file(tree[file].id, file) if file else ():
                found.setdefault(image.name, set()).add(image)
        return {name: frozenset(images) for name, images in found.items()}

    def _read_file(self, blob: str, file: str) -> tuple[Image, ...]:
        with self._lock:
            known = self._known.get(blob)
        if known is None:
            try:
                known = tuple(image_edit.images(self._repo.read(blob), file))
            except Rejected:
                known = ()  # the error is reported where the file is edited or rendered
            with self._lock:
                self._known[blob] = known
        return known
