"""Git's past of the environments, read once per head, in a thread of its own, and only as far as it is new.

A trunk grows by a few commits at a time, so only those are asked for. The content of a commit never changes and is read
once. The first reading may take seconds in a large repo, so no page waits for it: the page gets what is known, and a
workqueue reads on.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from gitops.core.config_repo import compose, layout
from gitops.core.config_repo.commits import PastCommit
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.release import HOLD_FILE, RELEASE_FILE, Hold, Release, parse_hold, parse_release
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.images.reference import Image
from gitops.core.kustomize import image_edit
from gitops.core.promotion.lineage import LineageEntry, RepoHistory
from gitops.ports import ConfigRepo, Queue, TrunkHead

_log = structlog.get_logger(__name__)

MOST_COMMITS = 2000
QUESTION = "past"
"""The name in the queue that has `read` called."""

_NEWS = 50
_MOST_BYTES = 6 << 20
"""The most bytes of file content that are read: release.yaml, hold.yaml and kustomizations, the newest first. Reading
takes about a second per two MiB."""
_MOST_PATHS = 5
_MOST_PARTS = 30_000
"""The most images and evidence of releases that are kept; they take some tens of MiB."""

_T = TypeVar("_T")


class GitHistory:
    """Any thread may call `past`; one thread at a time calls `read`, which the queue `questions` asks for."""

    def __init__(self, repo: ConfigRepo, trunk: TrunkHead, questions: Queue) -> None:
        self._repo = repo
        self._trunk = trunk
        self._questions = questions
        self._known = RepoHistory()
        self._same: dict[object, object] = {}
        self._room = 0

    def past(self) -> RepoHistory:
        """The past as read last. If the head has moved since, the queue reads the rest soon."""
        known, head = self._known, self._trunk.head()
        if head and known.head != head:
            self._questions.add(QUESTION)
        return known

    def read(self) -> None:
        """Takes in the present head. Raises: Rejected, Unavailable as the repo does."""
        head = self._trunk.head()
        if head and self._known.head != head:
            self._known = self._read(head)
            _log.info("git history read", revision=head, commits=len(self._known.entries))

    def _read(self, head: str) -> RepoHistory:
        known = {entry.commit: entry for entry in self._known.entries}
        self._room = _MOST_BYTES
        self._same = {each: each for entry in self._known.entries for each in _parts(entry)}
        entries = [known.get(commit.id) or self._entry(commit) for commit in self._commits()]
        self._same = {}
        releases, holds = self._read_head(head)
        return RepoHistory(head, tuple(_bound(entries)), releases, holds)

    def _commits(self) -> Sequence[PastCommit]:
        """The known commits with the new ones in front; all commits anew unless the two fit together."""
        before = self._known.entries
        if before:
            news = self._repo.history(ENVIRONMENTS, _NEWS)
            ids = [commit.id for commit in news]
            if before[0].commit in ids:
                new = ids.index(before[0].commit)
                if ids[new:] == [entry.commit for entry in before[: len(ids) - new]]:
                    return [*news[:new], *map(_past_commit, before)][:MOST_COMMITS]
        return self._repo.history(ENVIRONMENTS, MOST_COMMITS)

    def _entry(self, commit: PastCommit) -> LineageEntry:
        paths = {
            name: [path for path in commit.paths if _is_own_file(path, name)] for name in (RELEASE_FILE, HOLD_FILE)
        }
        tree = self._tree(commit.id) if any(paths.values()) and self._room > 0 else {}
        releases = self._parse(tree, paths[RELEASE_FILE], self._release)
        return LineageEntry(
            commit=commit.id,
            at=commit.committed_at,
            author=commit.author,
            subject=commit.subject,
            trailers=commit.trailers,
            paths=commit.paths[:_MOST_PATHS],
            releases=releases,
            holds=self._parse(tree, paths[HOLD_FILE], parse_hold),
            images={name: self._images(name, held.overlay) for name, held in releases.items() if held and held.overlay},
        )

    def _tree(self, commit: str) -> Tree:
        try:
            return self._repo.tree(commit)
        except Rejected:  # names that no file system path can have: it was never deployed either
            return {}

    def _parse(self, tree: Tree, paths: Sequence[str], parse: Callable[[bytes, str], _T]) -> dict[str, _T | None]:
        """Directory -> the file's content, None = removed. Files that do not parse, and those for which there is no
        room, are left out.
        """
        found: dict[str, _T | None] = {}
        for path in paths if tree else ():
            with contextlib.suppress(Rejected):
                if path not in tree:
                    found[_directory(path)] = None
                elif self._room > 0:
                    found[_directory(path)] = parse(self._text(tree, path), path)
        return found

    def _text(self, tree: Tree, path: str) -> bytes:
        text = self._repo.read(tree[path].id)
        self._room -= len(text)
        return text

    def _release(self, text: bytes, file: str) -> Release:
        """A release that shares its evidence with others: most of it stands in the release before, too."""
        release = parse_release(text, file)
        if release.admission is None:
            return release
        services = {name: self._one(evidence) for name, evidence in release.admission.services.items()}
        admission = release.admission.model_copy(update={"services": services})
        return release.model_copy(update={"admission": admission})

    def _images(self, overlay: str, commit: str) -> tuple[Image, ...]:
        """The images in an overlay's directory at the commit that a release names."""
        tree = self._tree(commit)
        file = layout.kustomization(f"{ENVIRONMENTS}/{overlay}", tree)
        with contextlib.suppress(Rejected):
            return tuple(map(self._one, image_edit.images(self._text(tree, file), file))) if file else ()
        return ()

    def _one(self, value: _T) -> _T:
        found = self._same.setdefault(value, value)
        return found if isinstance(found, type(value)) else value

    def _read_head(self, head: str) -> tuple[dict[str, Release], dict[str, Hold]]:
        """The releases and holds of the head. Files that do not parse are left out: passes report them."""
        tree = self._repo.tree(head)
        releases: dict[str, Release] = {}
        holds: dict[str, Hold] = {}
        for name, overlay in self._trunk.overlays().items():
            try:
                release = compose.read_release(overlay, tree, self._repo.read)
                hold = compose.read_holds(overlay, tree, self._repo.read).longest
            except Rejected:
                continue
            releases |= {name: release} if release is not None else {}
            holds |= {name: hold} if hold is not None else {}
        return releases, holds


def _parts(entry: LineageEntry) -> Iterator[object]:
    """The values that consecutive releases mostly share."""
    for images in entry.images.values():
        yield from images
    for release in entry.releases.values():
        if release is not None and release.admission is not None:
            yield from release.admission.services.values()


def _bound(entries: Iterable[LineageEntry]) -> Iterator[LineageEntry]:
    """The entries, the oldest ones without their releases where there are too many."""
    room = _MOST_PARTS
    for entry in entries:
        room -= sum(1 for _ in _parts(entry))
        yield entry if room >= 0 else replace(entry, releases={}, images={})


def _past_commit(entry: LineageEntry) -> PastCommit:
    return PastCommit(entry.commit, entry.at, entry.author, entry.subject, entry.trailers, entry.paths)


def _is_own_file(path: str, name: str) -> bool:
    """True for a file of that name in the directory of an overlay or an environment; not in directories below."""
    parts = path.split("/")
    return parts[0] == ENVIRONMENTS and parts[-1] == name and len(parts) in {3, 4}


def _directory(path: str) -> str:
    """environments/prod/print-api/release.yaml -> prod/print-api."""
    return path.removeprefix(f"{ENVIRONMENTS}/").rpartition("/")[0]
