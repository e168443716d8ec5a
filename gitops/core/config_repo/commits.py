"""Commits of the config repo as values: one to write, and one that was read. Not here: git (gitops/adapters/git)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit to make: new content of files (None deletes), the message with its trailers, the author time."""

    files: Mapping[str, bytes | None]
    message: str
    authored_at: datetime


@dataclass(frozen=True, slots=True)
class PastCommit:
    """A commit from the git history. `trailers`: the `Key: value` lines that git parses at the end of the message.
    `paths`: the files that it changed, of those that the caller asked for; empty for a merge.
    """

    id: str
    committed_at: datetime
    author: str
    subject: str
    trailers: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
