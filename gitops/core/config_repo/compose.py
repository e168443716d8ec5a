"""Composes the tree that an overlay is rendered from, out of the two commits that its release.yaml names.

The base revision gives every file outside environments/. The overlay revision gives the overlay's own directory. No
other file of environments/ is in the tree, so an overlay cannot read the files of another environment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.release import HOLD_FILE, RELEASE_FILE, Holds, Release, parse_hold, parse_release
from gitops.core.config_repo.tree import Blob, BlobReader, Tree, TreeReader
from gitops.core.errors import Place, Rejected
from gitops.core.revision import Revision

_ENVIRONMENTS_DIR = ENVIRONMENTS + "/"
_AUTOMATION_FILES = (RELEASE_FILE, HOLD_FILE)


class ComposedTree(Mapping[str, Blob]):
    """A view on the trees of the two commits. Copies nothing."""

    def __init__(self, path: str, base: Tree, own: Tree) -> None:
        self._own_path = path + "/"
        self._base = base
        self._own = own

    def __getitem__(self, path: str) -> Blob:
        if path.startswith(self._own_path):
            return self._own[path]
        if path.startswith(_ENVIRONMENTS_DIR):
            raise KeyError(path)
        return self._base[path]

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self._base if not path.startswith((_ENVIRONMENTS_DIR, self._own_path)))
        yield from (path for path in self._own if path.startswith(self._own_path))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Composition:
    """The tree of an overlay with the files that decided it. `pending`: the settings of the overlay at the trunk's head
    differ from the locked ones in `tree`. `off_trunk`: commits of the release that left the trunk and that a ref keeps.
    """

    revision: Revision
    tree: Tree
    release: Release | None = None
    holds: Holds = field(default_factory=Holds)
    pending: bool = False
    off_trunk: frozenset[str] = frozenset()

    @property
    def is_locked(self) -> bool:
        """True if a release.yaml names the commits. Then only commits to the overlay's directory change the overlay."""
        return self.release is not None and self.release.base is not None


def compose(overlay: Overlay, head: str, read_tree: TreeReader, read_blob: BlobReader) -> Composition:
    """Composes the overlay as the trunk's head wants it.

    The overlay's release.yaml at the head names both commits. Without that file both are the head; only the platform
    and environments without `after` may do so. The caller checks that the commits are reachable from the trunk.

    Raises: Rejected(NotReleased) if an environment with `after` has no release.yaml; Rejected(UnknownRevision) if the
    clone lacks a commit that release.yaml names; Rejected(InvalidRelease, InvalidHold) with file and line.
    """
    at_head = read_tree(head)
    held = read_holds(overlay, at_head, read_blob)
    found = read_release(overlay, at_head, read_blob)
    if found is None or found.base is None or found.overlay is None:
        if overlay.after is not None:
            message = _describe_not_released(overlay)
            raise Rejected("NotReleased", message, place=Place(f"{overlay.path}/{RELEASE_FILE}"))
        revision = Revision(head, head)
        return Composition(revision, ComposedTree(overlay.path, at_head, at_head), found, held)
    revision = Revision(found.base, found.overlay)
    tree = compose_at(overlay, revision, read_tree)
    return Composition(revision, tree, found, held, _is_pending(overlay, head, found.overlay, read_tree))


def compose_at(overlay: Overlay, revision: Revision, read_tree: TreeReader) -> Tree:
    """Composes the overlay at a given revision, without the trunk's head. Raises: Rejected(UnknownRevision)."""
    return ComposedTree(
        overlay.path,
        _read_known(overlay, "base", revision.base, read_tree),
        _read_known(overlay, "overlay", revision.overlay, read_tree),
    )


def read_release(overlay: Overlay, at_head: Tree, read_blob: BlobReader) -> Release | None:
    """Reads the overlay's release.yaml; None if the file does not exist. Raises: Rejected(InvalidRelease)."""
    file = f"{overlay.path}/{RELEASE_FILE}"
    blob = None if overlay.is_platform else _plain_file(at_head, file)
    return parse_release(read_blob(blob.id), file) if blob else None


def first_release(overlay: Overlay, first: str | None, read_tree: TreeReader, read_blob: BlobReader) -> Revision | None:
    """The commits of the overlay's first release, which commit `first` added. None if `first` is None, if the release
    cannot be read, or if it names no commits. Raises nothing.
    """
    try:
        found = read_release(overlay, read_tree(first), read_blob) if first else None
    except Rejected:
        return None
    return found.revision if found else None


def read_holds(overlay: Overlay, at_head: Tree, read_blob: BlobReader) -> Holds:
    """Reads the hold.yaml of the overlay and of its environment. Raises: Rejected(InvalidHold)."""
    found = []
    for directory in dict.fromkeys((overlay.path, f"{ENVIRONMENTS}/{overlay.environment}")):
        file = f"{directory}/{HOLD_FILE}"
        blob = None if overlay.is_platform else _plain_file(at_head, file)
        if blob is not None:
            found.append(parse_hold(read_blob(blob.id), file))
    return Holds(tuple(found))


def _plain_file(tree: Tree, file: str) -> Blob | None:
    blob = tree.get(file)
    if blob is not None and not blob.mode.startswith("100"):
        raise Rejected("NotAFile", "is a symlink or a submodule; replace it by a plain file", place=Place(file))
    return blob


def _read_known(overlay: Overlay, field: str, revision: str, read_tree: TreeReader) -> Tree:
    try:
        return read_tree(revision)
    except Rejected as error:
        if error.reason != "UnknownRevision":
            raise
        message = f"`{field}` names commit {revision[:12]}, which the config repo does not have; promote again"
        raise Rejected("UnknownRevision", message, place=Place(f"{overlay.path}/{RELEASE_FILE}")) from error


def _is_pending(overlay: Overlay, head: str, locked: str, read_tree: TreeReader) -> bool:
    """True if the settings at the head differ from the locked ones."""
    if locked == head:
        return False
    return _settings_files(overlay, read_tree(head)) != _settings_files(overlay, read_tree(locked))


def _settings_files(overlay: Overlay, tree: Tree) -> dict[str, Blob]:
    automation = {f"{overlay.path}/{name}" for name in _AUTOMATION_FILES}
    own = overlay.path + "/"
    return {path: blob for path, blob in tree.items() if path.startswith(own) and path not in automation}


def _describe_not_released(overlay: Overlay) -> str:
    return (
        f"is missing: {overlay.environment} comes after {overlay.after} and runs only what was promoted from there. "
        f"Promote, or commit a release.yaml that names `base` and `overlay`"
    )
