"""A tree with planned files, so that they can be rendered and checked before they are written."""

import hashlib
from collections import ChainMap
from collections.abc import Mapping

from gitops.core.config_repo.tree import Blob, Tree
from gitops.ports import Trees


class PlannedTree:
    """Implements ports.Trees. Every revision also holds the planned files, which hide files of the same path."""

    def __init__(self, repo: Trees, files: Mapping[str, bytes]) -> None:
        self._repo = repo
        ids = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        self._contents = {ids[path]: content for path, content in files.items()}
        self._blobs: dict[str, Blob] = {path: Blob("100644", each) for path, each in ids.items()}

    def tree(self, revision: str) -> Tree:
        # A ChainMap is a MutableMapping, a Tree is read-only: this one is never written to.
        return ChainMap(self._blobs, self._repo.tree(revision))  # type: ignore[arg-type]

    def read(self, blob: str) -> bytes:
        planned = self._contents.get(blob)
        return self._repo.read(blob) if planned is None else planned
