"""Commits of the config repo as values: one to write, and one that was read. Not here: git (gitops/adapters/git)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewCommit:
    """One commit to be made: whole new contents of files (None deletes), a message with its trailers, author time."""

    files: Mapping[str, bytes | None]
    message: str
    authored_at: datetime


@dataclass(frozen=True, slots=True)
class PastCommit:
    """One commit that was read. `trailers` are the `Key: value` lines that git parses at the end of the message,
    `paths` the files that it changed, of those that were asked for; a merge names none.
    """

    id: str
    committed_at: datetime
    author: str
    subject: str
    trailers: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
