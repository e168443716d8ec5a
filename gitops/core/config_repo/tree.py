"""A revision's files as git knows them, and the part of them that one build reads."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a tree: its object id and mode (`100644`, `100755`, `120000` a symlink, `160000` a submodule)."""

    mode: str
    id: str


Tree = Mapping[str, Blob]
"""Every file of a revision: path from the root with `/` -> Blob."""


@dataclass(frozen=True, slots=True)
class Source:
    """What one build reads: the overlay's directory, exactly the files it reaches, and a hash over their names, modes
    and git ids. Equal keys render equal bytes.
    """

    path: str
    files: Mapping[str, bytes]
    key: str
