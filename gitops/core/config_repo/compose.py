"""Which commits an overlay is rendered from, and the tree that comes of it.

A tree is composed of two commits: everything outside environments/ from the base revision, and of environments/ only
the overlay's own directory, from the overlay revision. So an overlay cannot read another environment's files at all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.release import HOLD_FILE, RELEASE_FILE, Holds, Release, parse_hold, parse_release
from gitops.core.config_repo.tree import Blob, Tree
from gitops.core.errors import Place, Rejected
from gitops.core.revision import Revision

TreeOf = Callable[[str], Tree]
Read = Callable[[str], bytes]
_OUTSIDE = ENVIRONMENTS + "/"
_FILES_OF_AUTOMATION = (RELEASE_FILE, HOLD_FILE)


class ComposedTree(Mapping[str, Blob]):
    """A view on two trees; nothing is copied."""

    def __init__(self, path: str, base: Tree, own: Tree) -> None:
        self._own_path = path + "/"
        self._base = base
        self._own = own

    def __getitem__(self, path: str) -> Blob:
        if path.startswith(self._own_path):
            return self._own[path]
        if path.startswith(_OUTSIDE):
            raise KeyError(path)
        return self._base[path]

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self._base if not path.startswith((_OUTSIDE, self._own_path)))
        yield from (path for path in self._own if path.startswith(self._own_path))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Composition:
    """`pending`: the trunk's head has other settings for this overlay than the locked ones that are composed here.
    `strayed`: those of its commits that the trunk has lost, and a ref keeps.
    """

    revision: Revision
    tree: Tree
    release: Release | None = None
    holds: Holds = field(default_factory=Holds)
    pending: bool = False
    strayed: frozenset[str] = frozenset()

    @property
    def is_locked(self) -> bool:
        """True when a release.yaml names the commits, so that nothing outside the overlay's directory changes it."""
        return self.release is not None and self.release.base is not None


def compose(overlay: Overlay, head: str, tree_of: TreeOf, read: Read) -> Composition:
    """What the overlay is to run, as of the trunk's head.

    The release.yaml beside the overlay at the head names both commits. Without one both are the head, which only the
    platform and environments without `after` may do. That the commits are reachable from the trunk is not checked here.

    Raises: Rejected(NotReleased) when an environment with `after` has no release.yaml; Rejected(UnknownRevision) when
    the clone lacks a commit that it names; Rejected(InvalidRelease, InvalidHold) with file and line.
    """
    at_head = tree_of(head)
    held = read_holds(overlay, at_head, read)
    found = read_release(overlay, at_head, read)
    if found is None or found.base is None or found.overlay is None:
        if overlay.after is not None:
            raise Rejected("NotReleased", _not_released(overlay), place=Place(f"{overlay.path}/{RELEASE_FILE}"))
        revision = Revision(head, head)
        return Composition(revision, ComposedTree(overlay.path, at_head, at_head), found, held)
    revision = Revision(found.base, found.overlay)
    tree = compose_at(overlay, revision, tree_of)
    pending = found.overlay != head and _settings(overlay, at_head) != _settings(overlay, tree_of(found.overlay))
    return Composition(revision, tree, found, held, pending)


def compose_at(overlay: Overlay, revision: Revision, tree_of: TreeOf) -> Tree:
    """The tree of a given revision of the overlay, whatever the trunk says now. Raises: Rejected(UnknownRevision)."""
    return ComposedTree(
        overlay.path,
        _known(overlay, "base", revision.base, tree_of),
        _known(overlay, "overlay", revision.overlay, tree_of),
    )


def read_release(overlay: Overlay, at_head: Tree, read: Read) -> Release | None:
    """The overlay's release.yaml, None when there is none. Raises: Rejected(InvalidRelease)."""
    file = f"{overlay.path}/{RELEASE_FILE}"
    blob = None if overlay.is_platform else _regular(at_head, file)
    return parse_release(read(blob.id), file) if blob else None


def first_release(overlay: Overlay, first: str | None, tree_of: TreeOf, read: Read) -> Revision | None:
    """The commits of the overlay's first release, which commit `first` brought; None when nobody can tell: that commit
    is not known, or its release cannot be read or names none. Raises nothing.
    """
    try:
        found = read_release(overlay, tree_of(first), read) if first else None
    except Rejected:
        return None
    return found.revision if found else None


def read_holds(overlay: Overlay, at_head: Tree, read: Read) -> Holds:
    """The holds on the overlay, its own and its environment's. Raises: Rejected(InvalidHold)."""
    found = []
    for directory in dict.fromkeys((overlay.path, f"{ENVIRONMENTS}/{overlay.environment}")):
        file = f"{directory}/{HOLD_FILE}"
        blob = None if overlay.is_platform else _regular(at_head, file)
        if blob is not None:
            found.append(parse_hold(read(blob.id), file))
    return Holds(tuple(found))


def _regular(tree: Tree, file: str) -> Blob | None:
    blob = tree.get(file)
    if blob is not None and not blob.mode.startswith("100"):
        raise Rejected("NotAFile", "is a symlink or submodule; it must be a plain file", place=Place(file))
    return blob


def _known(overlay: Overlay, field: str, revision: str, tree_of: TreeOf) -> Tree:
    try:
        return tree_of(revision)
    except Rejected as error:
        if error.reason != "UnknownRevision":
            raise
        message = f"`{field}` names commit {revision[:12]}, which the config repo does not have; promote again"
        raise Rejected("UnknownRevision", message, place=Place(f"{overlay.path}/{RELEASE_FILE}")) from error


def _settings(overlay: Overlay, tree: Tree) -> dict[str, Blob]:
    automation = {f"{overlay.path}/{name}" for name in _FILES_OF_AUTOMATION}
    own = overlay.path + "/"
    return {path: blob for path, blob in tree.items() if path.startswith(own) and path not in automation}


def _not_released(overlay: Overlay) -> str:
    return (
        f"is missing: {overlay.environment} comes after {overlay.after} and runs only what was promoted from there. "
        f"Promote, or commit a release.yaml that names `base` and `overlay`"
    )
