"""Reads blobs and trees of a bare clone from two `git cat-file` processes that stay open.

A tree is read once and kept by its id, so a new head costs only the trees that changed, however large the repo is.
"""

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from cachetools import LRUCache

from gitops.adapters.bounded_process import kill_group
from gitops.adapters.git.process import Git
from gitops.core.config_repo.tree import Blob, Tree
from gitops.core.errors import Rejected

if TYPE_CHECKING:
    from git import Git as CatFileProtocol

_DIRECTORY = "40000"
_UNUSABLE = frozenset({"", ".", "..", ".git"})
_MOST_TREES = 100_000
_SMALL = 64
_MOST_LARGE = 32
_MOST_FILES = 200_000
_MOST_ROOTS = 1000
_MOST_WALKED = 1000
_SMALL_TREE = 16 << 10
_DEEPEST = 64
_CONTENT_CACHE = 16 << 20


class MissingObject(Exception):
    """The clone does not have this object, or git cannot read it."""


class _TooManyFiles(Exception):
    pass


class _CatFile:
    """Two `git cat-file` processes, one for headers and one for contents; started at the first request, and again after
    a failure. Not thread-safe.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._protocol: CatFileProtocol | None = None

    def read_header(self, name: str) -> tuple[str, int]:
        """The type and the size in bytes of an object. Raises: MissingObject."""
        try:
            _, kind, size = self._running().get_object_header(name)
        except (ValueError, OSError) as error:
            self.close()
            raise MissingObject(name) from error
        # Its annotation says str; from a process with binary pipes it is bytes.
        word = cast("str | bytes", kind)
        return word.decode() if isinstance(word, bytes) else word, size

    def read(self, name: str) -> bytes:
        """The content of an object. Raises: MissingObject."""
        try:
            _, _, size, content = self._running().get_object_data(name)
        except (ValueError, OSError) as error:
            self.close()
            raise MissingObject(name) from error
        if len(content) != size:
            self.close()
            raise MissingObject(name)
        return content

    def close(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            for process in (protocol.cat_file_all, protocol.cat_file_header):
                if process is not None and process.proc is not None:
                    kill_group(process.proc)
                    process.proc.communicate()
            protocol.cat_file_all = protocol.cat_file_header = None

    def _running(self) -> "CatFileProtocol":
        if self._protocol is None:
            # GitPython speaks cat-file's protocol with the processes that we start. Its import takes a tenth of a
            # second, which commands that read no commit save.
            from git import Git as CatFileProtocol  # noqa: PLC0415

            protocol = CatFileProtocol(str(self._git.directory))
            for name, option in (("cat_file_all", "--batch"), ("cat_file_header", "--batch-check")):
                process = self._git.start(["cat-file", option])
                setattr(protocol, name, CatFileProtocol.AutoInterrupt(process, ["cat-file"]))
            self._protocol = protocol
        return self._protocol


class Objects:
    """Reads and caches objects by id. Thread-safe. `largest` caps blobs, in bytes."""

    def __init__(self, git: Git, largest: int) -> None:
        self._cat_file = _CatFile(git)
        self._largest = largest
        self._lock = threading.RLock()
        self._small: LRUCache[tuple[str, str], dict[str, Blob]] = LRUCache(_MOST_TREES)
        self._large: LRUCache[tuple[str, str], dict[str, Blob]] = LRUCache(_MOST_LARGE)
        self._roots: OrderedDict[str, str] = OrderedDict()  # in the order of use, which an LRUCache does not tell
        self._too_many_files: LRUCache[str, None] = LRUCache(_MOST_ROOTS)
        self._directories = 0
        self._small_trees: dict[str, bytes] = {}
        self._contents: LRUCache[str, bytes] = LRUCache(_CONTENT_CACHE, getsizeof=len)

    def blob(self, blob: str) -> bytes:
        """The content of a file. Raises: MissingObject; Rejected(TooLarge) above the cap; Rejected(NotAFile)."""
        with self._lock:
            found = self._contents.get(blob)
            if found is not None:
                return found
            kind, size = self._cat_file.read_header(blob)
            if kind != "blob":
                raise Rejected("NotAFile", f"{blob} is a {kind}, not a file")
            if size > self._largest:
                raise too_large(blob, self._largest)
            content = self._cat_file.read(blob)
            self._cache(blob, content)
            return content

    def add(self, content: bytes) -> None:
        """Caches the content of a blob that was just written."""
        with self._lock:
            blob = blob_id(content)
            if blob not in self._contents:
                self._cache(blob, content)

    def tree(self, revision: str) -> Tree:
        """Every file of a commit. Raises: MissingObject; Rejected(NotACommit); Rejected(TooManyFiles);
        Rejected(BadTree) for a name that cannot be a path.
        """
        with self._lock:
            return MappingProxyType(self._files(self._root(revision)))

    def find_tree(self, blob: str) -> str | None:
        """Finds the top-level directory that holds a blob in a commit that was read, and returns its tree id; the
        commit's own tree id for a file in the root directory.
        """
        with self._lock:
            for root in reversed(list(self._roots.values())):
                with contextlib.suppress(MissingObject, Rejected):
                    path = next((path for path, found in self._files(root).items() if found.id == blob), None)
                    if path is not None:
                        top, separator, _ = path.partition("/")
                        entries = _entries(self._cat_file.read(root), "") if separator else ()
                        return next((tree for _, name, tree in entries if name == top), root)
        return None

    def close(self) -> None:
        with self._lock:
            self._cat_file.close()

    def _root(self, revision: str) -> str:
        root = self._roots.get(revision)
        if root is None:
            kind, _ = self._cat_file.read_header(revision)
            if kind != "commit":
                raise Rejected("NotACommit", f"{revision} is a {kind}, not a commit")
            root = self._cat_file.read(revision).partition(b"\n")[0].removeprefix(b"tree ").decode()
            self._roots[revision] = root
            if len(self._roots) > _MOST_ROOTS:
                self._roots.popitem(last=False)
        self._roots.move_to_end(revision)
        return root

    def _files(self, root: str) -> dict[str, Blob]:
        """Every file below a tree, counted during the walk: a few hundred bytes of trees can stand for files without
        end.
        """
        if root not in self._too_many_files:
            self._directories = 0
            self._small_trees.clear()
            try:
                return self._flatten("", root, _DEEPEST)
            except _TooManyFiles:
                self._too_many_files[root] = None
        raise Rejected("TooManyFiles", f"the commit has more than {_MOST_FILES} files or directories (tree {root})")

    def _flatten(self, prefix: str, tree: str, depth: int) -> dict[str, Blob]:
        known = self._small.get((prefix, tree))
        known = self._large.get((prefix, tree)) if known is None else known
        if known is not None:
            return known
        if depth == 0:
            raise Rejected("BadTree", f"{prefix} is nested deeper than {_DEEPEST} directories")
        self._directories += 1
        flat: dict[str, Blob] = {}
        for mode, name, entry in _entries(self._tree(tree), prefix):
            if mode == _DIRECTORY:
                below = f"{prefix}{name}/"
                flat.update(self._small.get((below, entry)) or self._flatten(below, entry, depth - 1))
            else:
                flat[prefix + name] = Blob(mode.zfill(6), entry)
            if max(len(flat), self._directories) > _MOST_FILES:
                raise _TooManyFiles
        self._remember((prefix, tree), flat)
        return flat

    def _tree(self, tree: str) -> bytes:
        """Reads a tree. One that occurs in many directories is read once in a walk."""
        found = self._small_trees.get(tree)
        if found is None:
            found = self._cat_file.read(tree)
            if len(found) <= _SMALL_TREE and len(self._small_trees) < _MOST_WALKED:
                self._small_trees[tree] = found
        return found

    def _remember(self, key: tuple[str, str], flat: dict[str, Blob]) -> None:
        """Keeps small directories. Every commit makes new large ones, so only the large ones in use are kept."""
        (self._small if len(flat) <= _SMALL else self._large)[key] = flat

    def _cache(self, blob: str, content: bytes) -> None:
        if len(content) <= _CONTENT_CACHE:
            self._contents[blob] = content


def blob_id(content: bytes) -> str:
    """The id that git gives this content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def too_large(blob: str, largest: int) -> Rejected:
    return Rejected("TooLarge", f"file {blob} is larger than {largest} bytes: keep such files out of the config repo")


def _entries(tree: bytes, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Mode, name and id of each entry. https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_tree_objects"""
    at = 0
    while at < len(tree):
        space = tree.find(b" ", at)
        end = tree.find(b"\0", space)
        name = tree[space + 1 : end].decode(errors="surrogateescape")
        if not min(space - at, end - space) > 0 or name in _UNUSABLE or "/" in name or not name.isprintable():
            where = prefix or "the root directory"
            raise Rejected("BadTree", f"{where} holds an entry with the unusable name {name!r}")
        yield tree[at:space].decode(errors="replace"), name, tree[end + 1 : end + 21].hex()
        at = end + 21
