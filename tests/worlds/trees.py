"""Trees made of literals: path -> text, a Blob, or a `Link` (symlink, submodule)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops.core.config_repo.tree import Blob


@dataclass(frozen=True)
class Link:
    mode: str = "120000"
    target: str = "/etc"


@dataclass
class Trees:
    """A store of blobs. `tree` adds a tree; `read` is the BlobReader of guards and composers."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def tree(self, files: Mapping[str, str | Link]) -> dict[str, Blob]:
        return {path: self._blob(content) for path, content in files.items()}

    def read(self, blob: str) -> bytes:
        self.reads.append(blob)
        return self.blobs[blob]

    def _blob(self, content: str | Link) -> Blob:
        mode, text = (content.mode, content.target) if isinstance(content, Link) else ("100644", content)
        key = hashlib.sha1(text.encode()).hexdigest()
        self.blobs[key] = text.encode()
        return Blob(mode, key)
