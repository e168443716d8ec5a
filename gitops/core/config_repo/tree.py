"""The files of a revision as git lists them, and the part of them that one build reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a tree: object id and mode (`100644`, `100755`; `120000` is a symlink, `160000` a submodule)."""

    mode: str
    id: str


Tree = Mapping[str, Blob]
"""Every file of a revision: path from the root of the repo, with `/`, -> Blob."""


class TreeReader(Protocol):
    """Reads the tree of a commit. Raises: Rejected(UnknownRevision) if the clone lacks the commit."""

    def __call__(self, revision: str, /) -> Tree: ...


class BlobReader(Protocol):
    """Reads the content of a blob by its id."""

    def __call__(self, blob_id: str, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Source:
    """The input of one build. `path`: the overlay's directory; `files`: exactly the files that it reaches; `key`: a
    hash of their names, modes and git ids. Equal keys render equal bytes.
    """

    path: str
    files: Mapping[str, bytes]
    key: str
