"""What git tells of the environments' past, read once per head and only as far as it is new.

A trunk grows by a few commits at a time, so those are asked for; everything else is known. What stood in a commit never
changes and is read once.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from gitops.core import compose
from gitops.core import overlay as overlays
from gitops.core.errors import Rejected
from gitops.core.images import Image
from gitops.core.lineage import Entry, Past
from gitops.core.pipeline import ENVIRONMENTS, KUSTOMIZATION_FILES, Overlay
from gitops.core.release import HOLD_FILE, RELEASE_FILE, Hold, Release, parse_hold, parse_release
from gitops.core.tree import Tree
from gitops.ports import ConfigRepo, PastCommit

_T = TypeVar("_T")

MOST_COMMITS = 2000
_NEWS = 50
_MOST_READ = 400
"""Of so many commits the release.yaml and hold.yaml are read: each costs the listing of a tree."""


class Chronicle:
    """Thread-safe. `head` is the trunk's as taken in last, `overlays` those of that head."""

    def __init__(
        self, repo: ConfigRepo, head: Callable[[], str], overlays: Callable[[], Mapping[str, Overlay]]
    ) -> None:
        self._repo = repo
        self._head = head
        self._overlays = overlays
        self._known = Past()
        self._lock = threading.Lock()

    def past(self) -> Past:
        """As of the head; the one before while somebody else reads the newest. Raises: Unavailable."""
        known, head = self._known, self._head()
        if not head or known.head == head:
            return known
        if not self._lock.acquire(blocking=not known.head):
            return known
        try:
            if self._known.head != head:
                self._known = self._read(head)
        finally:
            self._lock.release()
        return self._known

    def _read(self, head: str) -> Past:
        commits = self._commits()
        known = {entry.commit: entry for entry in self._known.entries}
        entries: list[Entry] = []
        room = _MOST_READ
        for commit in commits:
            entry = known.get(commit.id)
            if entry is None:
                entry = self._entry(commit, is_read=room > 0)
            room -= bool(entry.releases or entry.holds)
            entries.append(entry)
        releases, holds = self._present(head)
        return Past(head, tuple(entries), releases, holds)

    def _commits(self) -> Sequence[PastCommit]:
        """What is known, with the news in front; all of it anew unless the two fit together."""
        before = self._known.entries
        if before:
            news = self._repo.history(ENVIRONMENTS, _NEWS)
            ids = [commit.id for commit in news]
            if before[0].commit in ids:
                new = ids.index(before[0].commit)
                if ids[new:] == [entry.commit for entry in before[: len(ids) - new]]:
                    return [*news[:new], *map(_commit, before)][:MOST_COMMITS]
        return self._repo.history(ENVIRONMENTS, MOST_COMMITS)

    def _entry(self, commit: PastCommit, *, is_read: bool) -> Entry:
        paths = {name: [path for path in commit.paths if _is(path, name)] for name in (RELEASE_FILE, HOLD_FILE)}
        releases: dict[str, Release | None] = {}
        holds: dict[str, Hold | None] = {}
        images: dict[str, tuple[Image, ...]] = {}
        if is_read and any(paths.values()):
            tree = self._tree(commit.id)
            releases = self._parsed(tree, paths[RELEASE_FILE], parse_release)
            holds = self._parsed(tree, paths[HOLD_FILE], parse_hold)
            images = {
                name: self._images(name, held.overlay) for name, held in releases.items() if held and held.overlay
            }
        return Entry(
            commit=commit.id,
            at=commit.committed_at,
            author=commit.author,
            subject=commit.subject,
            trailers=commit.trailers,
            paths=commit.paths,
            releases=releases,
            holds=holds,
            images=images,
        )

    def _tree(self, commit: str) -> Tree:
        try:
            return self._repo.tree(commit)
        except Rejected:  # names that no file system path can have: it was never deployed either
            return {}

    def _parsed(self, tree: Tree, paths: Sequence[str], parse: Callable[[bytes, str], _T]) -> dict[str, _T | None]:
        """What nobody could read as it was then is left out."""
        found: dict[str, _T | None] = {}
        for path in paths:
            with contextlib.suppress(Rejected):
                found[_directory(path)] = parse(self._repo.read(tree[path].id), path) if path in tree else None
        return found

    def _images(self, overlay: str, commit: str) -> tuple[Image, ...]:
        """What an overlay's directory says at the commit that a release names."""
        tree = self._tree(commit)
        files = (f"{ENVIRONMENTS}/{overlay}/{name}" for name in KUSTOMIZATION_FILES)
        file = next((path for path in files if path in tree), None)
        with contextlib.suppress(Rejected):
            return overlays.images(self._repo.read(tree[file].id), file) if file else ()
        return ()

    def _present(self, head: str) -> tuple[dict[str, Release], dict[str, Hold]]:
        """What is not readable is the pass's business, which says where and what to do."""
        tree = self._repo.tree(head)
        releases: dict[str, Release] = {}
        holds: dict[str, Hold] = {}
        for name, overlay in self._overlays().items():
            try:
                release = compose.release(overlay, tree, self._repo.read)
                hold = compose.hold(overlay, tree, self._repo.read)
            except Rejected:
                continue
            releases |= {name: release} if release is not None else {}
            holds |= {name: hold} if hold is not None else {}
        return releases, holds


def _commit(entry: Entry) -> PastCommit:
    return PastCommit(entry.commit, entry.at, entry.author, entry.subject, entry.trailers, entry.paths)


def _is(path: str, name: str) -> bool:
    """True for the file of an overlay or an environment, not for one of that name in some directory below."""
    parts = path.split("/")
    return parts[0] == ENVIRONMENTS and parts[-1] == name and len(parts) in {3, 4}


def _directory(path: str) -> str:
    """environments/prod/print-api/release.yaml -> prod/print-api."""
    return path.removeprefix(f"{ENVIRONMENTS}/").rpartition("/")[0]
