"""Reads the directories of overlays at commits, and works out images, settings and closures from their content.

Results are kept by content: a look at a hundred unchanged overlays costs nothing.
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

from gitops.core.config_repo import layout
from gitops.core.config_repo.compose import ComposedTree
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import HOLD_FILE, RELEASE_FILE
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.core.promotion import proof
from gitops.desired.desired_state import DesiredState
from gitops.ports import Trees

_MOST_COMMITS = 5_000
_MOST_CONTENTS = 20_000


@dataclass(frozen=True, slots=True)
class OverlayDirectory:
    """One overlay's own files at some commit, without release.yaml and hold.yaml. Equal values hold equal files."""

    path: str
    key: str
    files: Tree = field(compare=False, repr=False)

    @property
    def kustomization(self) -> str:
        """Raises: Rejected(MissingFile)."""
        found = layout.kustomization(self.path, self.files)
        if found is None:
            raise Rejected("MissingFile", f"{self.path} has no kustomization in one of the commits of its release")
        return found


class OverlayDirectories:
    """Thread-safe. All results are functions of content, so a cached one is never outdated; the least recently used
    are dropped. Every method raises Rejected for what cannot be read.

    - `read(path, commit)`: the directory as of a commit
    - `settings(directory)`: a hash over the overlay's own settings
    - `closures(directory, base, services, reference)`: service -> a hash over the files that it would reach of a base,
      computed as in proofs
    """

    def __init__(self, repo: Trees, desired: DesiredState) -> None:
        self._repo = repo
        self._desired = desired
        self.read = lru_cache(_MOST_COMMITS)(self._read)
        self.settings = lru_cache(_MOST_CONTENTS)(self._hash_settings)
        self.closures = lru_cache(_MOST_CONTENTS)(self._hash_closures)
        self._images = lru_cache(_MOST_CONTENTS)(self._read_images)

    def images(self, directory: OverlayDirectory, declared: Pipeline) -> dict[str, Image]:
        """Service -> the image that the kustomization names for it."""
        file = directory.kustomization
        return image_edit.by_service(self._images(directory.files[file].id, file), declared)

    def composed(self, directory: OverlayDirectory, base: str) -> Tree:
        """The directory over another commit's base. Raises: Rejected(UnknownRevision)."""
        return ComposedTree(directory.path, self._repo.tree(base), directory.files)

    def _read(self, path: str, commit: str) -> OverlayDirectory:
        automation = {f"{path}/{RELEASE_FILE}", f"{path}/{HOLD_FILE}"}
        tree = self._repo.tree(commit)
        own = {name: blob for name, blob in tree.items() if name.startswith(path + "/") and name not in automation}
        key = hashlib.sha256()
        for name, blob in sorted(own.items()):
            key.update(f"\0{name}\0{blob.mode}\0{blob.id}".encode())
        return OverlayDirectory(path, key.hexdigest(), own)

    def _hash_settings(self, directory: OverlayDirectory) -> str:
        return proof.settings(directory.path, directory.files, self._repo.read)

    def _hash_closures(
        self, directory: OverlayDirectory, base: str, services: tuple[str, ...], reference: str
    ) -> dict[str, str]:
        files = self._desired.closure(self.composed(directory, base), directory.path).files
        return proof.closures(files, services, reference)

    def _read_images(self, blob: str, file: str) -> tuple[Image, ...]:
        return image_edit.images(self._repo.read(blob), file)
