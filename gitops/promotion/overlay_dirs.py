"""The directories of overlays, and what follows from their content. Who looks at a hundred overlays again and again
pays for what has changed.
"""

import hashlib
from collections.abc import Callable
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
from gitops.core.kustomize.guard import Closure
from gitops.core.promotion import proof
from gitops.ports import Trees

_MOST_COMMITS = 5_000
_MOST_CONTENTS = 20_000


@dataclass(frozen=True, slots=True)
class OverlayDirectory:
    """One overlay's own files at some commit, but for those that automation writes. Equal ones hold equal files."""

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
    """Thread-safe. Everything is a function of content, so nothing that is remembered is ever wrong; what was used
    longest ago is forgotten. Every method raises Rejected for what cannot be read.
    """

    def __init__(self, repo: Trees, closure: Callable[[Tree, str], Closure]) -> None:
        """`closure`: what a build of a directory reads in a tree."""
        self._repo = repo
        self._closure = closure
        self.of = lru_cache(_MOST_COMMITS)(self._of)
        self.settings = lru_cache(_MOST_CONTENTS)(self._settings)
        self.closures = lru_cache(_MOST_CONTENTS)(self._closures)
        self._parsed = lru_cache(_MOST_CONTENTS)(self._parse)

    def images(self, directory: OverlayDirectory, declared: Pipeline) -> dict[str, Image]:
        """Service -> the image that the kustomization names for it."""
        file = directory.kustomization
        return image_edit.by_service(self._parsed(directory.files[file].id, file), declared)

    def composed(self, directory: OverlayDirectory, base: str) -> Tree:
        """The directory over another commit's base. Raises: Rejected(UnknownRevision)."""
        return ComposedTree(directory.path, self._repo.tree(base), directory.files)

    def _of(self, path: str, commit: str) -> OverlayDirectory:
        automation = {f"{path}/{RELEASE_FILE}", f"{path}/{HOLD_FILE}"}
        tree = self._repo.tree(commit)
        own = {name: blob for name, blob in tree.items() if name.startswith(path + "/") and name not in automation}
        key = hashlib.sha256()
        for name, blob in sorted(own.items()):
            key.update(f"\0{name}\0{blob.mode}\0{blob.id}".encode())
        return OverlayDirectory(path, key.hexdigest(), own)

    def _settings(self, directory: OverlayDirectory) -> str:
        """A hash over the overlay's own settings."""
        return proof.settings(directory.path, directory.files, self._repo.read)

    def _closures(
        self, directory: OverlayDirectory, base: str, services: tuple[str, ...], reference: str
    ) -> dict[str, str]:
        """What each service would reach of a base, hashed as in proofs."""
        files = self._closure(self.composed(directory, base), directory.path).files
        return proof.closures(files, services, reference)

    def _parse(self, blob: str, file: str) -> tuple[Image, ...]:
        return image_edit.images(self._repo.read(blob), file)
