"""Reads blobs and trees of a bare clone from two persistent git processes.

A tree is read once by its id: a new head costs only the trees that changed, however many files the repo holds.
"""

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from gitops.adapters.git.process import Git, kill_group
from gitops.core.config_repo.tree import Blob, Tree
from gitops.core.errors import Rejected

if TYPE_CHECKING:
    from git import Git as Protocol

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
    """The clone does not have this object, or cannot read it."""


class _TooManyFiles(Exception):
    pass


class Objects:
    """Content by object id. Thread-safe. `largest` caps blobs, in bytes."""

    def __init__(self, git: Git, largest: int) -> None:
        self._git = git
        self._largest = largest
        self._lock = threading.RLock()
        self._protocol: Protocol | None = None
        self._small: dict[tuple[str, str], dict[str, Blob]] = {}
        self._large: OrderedDict[tuple[str, str], dict[str, Blob]] = OrderedDict()
        self._roots: OrderedDict[str, str] = OrderedDict()
        self._endless: OrderedDict[str, None] = OrderedDict()
        self._directories = 0
        self._walked: dict[str, bytes] = {}
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    def blob(self, blob: str) -> bytes:
        """Raises: MissingObject; Rejected(TooLarge) above the cap; Rejected(NotAFile) for a tree or a commit."""
        with self._lock:
            found = self._contents.get(blob)
            if found is not None:
                self._contents.move_to_end(blob)
                return found
            kind, size = self._header(blob)
            if kind != "blob":
                raise Rejected("NotAFile", f"{blob} is a {kind}, not a file")
            if size > self._largest:
                raise too_large(blob, self._largest)
            content = self._content(blob)
            self._keep(blob, content)
            return content

    def know(self, content: bytes) -> None:
        """Spares the first reading of what was just written."""
        with self._lock:
            blob = blob_id(content)
            if blob not in self._contents:
                self._keep(blob, content)

    def tree(self, revision: str) -> Tree:
        """Every file of a commit. Raises: MissingObject; Rejected(NotACommit), Rejected(TooManyFiles),
        Rejected(BadTree) for names that no file system path can have.
        """
        with self._lock:
            return MappingProxyType(self._whole(self._root(revision)))

    def home(self, blob: str) -> str | None:
        """The tree of the top-level directory that holds a blob, in one of the commits that were asked for; that of the
        whole commit for a file beside them.
        """
        with self._lock:
            for root in reversed(self._roots.values()):
                with contextlib.suppress(MissingObject, Rejected):
                    path = next((path for path, found in self._whole(root).items() if found.id == blob), None)
                    if path is not None:
                        top, separator, _ = path.partition("/")
                        entries = _entries(self._content(root), "") if separator else ()
                        return next((tree for _, name, tree in entries if name == top), root)
        return None

    def close(self) -> None:
        with self._lock:
            protocol, self._protocol = self._protocol, None
            if protocol is not None:
                for process in (protocol.cat_file_all, protocol.cat_file_header):
                    if process is not None and process.proc is not None:
                        kill_group(process.proc)
                        process.proc.communicate()
                protocol.cat_file_all = protocol.cat_file_header = None

    def _root(self, revision: str) -> str:
        root = self._roots.get(revision)
        if root is not None:
            self._roots.move_to_end(revision)
        else:
            kind, _ = self._header(revision)
            if kind != "commit":
                raise Rejected("NotACommit", f"{revision} is a {kind}, not a commit")
            root = self._content(revision).partition(b"\n")[0].removeprefix(b"tree ").decode()
            self._roots[revision] = root
            if len(self._roots) > _MOST_ROOTS:
                self._roots.popitem(last=False)
        return root

    def _whole(self, root: str) -> dict[str, Blob]:
        """Counted while it is walked: a few hundred bytes of trees can stand for more files than there is time for."""
        if root not in self._endless:
            self._directories = 0
            self._walked.clear()
            try:
                return self._flatten("", root, _DEEPEST)
            except _TooManyFiles:
                self._endless[root] = None
                if len(self._endless) > _MOST_ROOTS:
                    self._endless.popitem(last=False)
        raise Rejected("TooManyFiles", f"the commit has more than {_MOST_FILES} files or directories (tree {root})")

    def _flatten(self, prefix: str, tree: str, depth: int) -> dict[str, Blob]:
        known = self._small.get((prefix, tree))
        if known is not None:
            return known
        if (prefix, tree) in self._large:
            self._large.move_to_end((prefix, tree))
            return self._large[prefix, tree]
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
        """A tree that stands in many places is asked for once in a walk."""
        found = self._walked.get(tree)
        if found is None:
            found = self._content(tree)
            if len(found) <= _SMALL_TREE and len(self._walked) < _MOST_WALKED:
                self._walked[tree] = found
        return found

    def _remember(self, key: tuple[str, str], flat: dict[str, Blob]) -> None:
        """Small directories stay; of large ones every commit makes a new one, so only those in use are kept."""
        if len(flat) <= _SMALL:
            if len(self._small) >= _MOST_TREES:
                self._small.clear()
            self._small[key] = flat
            return
        self._large[key] = flat
        if len(self._large) > _MOST_LARGE:
            self._large.popitem(last=False)

    def _keep(self, blob: str, content: bytes) -> None:
        self._contents[blob] = content
        self._held += len(content)
        while self._held > _CONTENT_CACHE:
            _, oldest = self._contents.popitem(last=False)
            self._held -= len(oldest)

    def _header(self, name: str) -> tuple[str, int]:
        try:
            _, kind, size = self._running().get_object_header(name)
        except (ValueError, OSError) as error:
            self.close()
            raise MissingObject(name) from error
        # Its annotation says str; from a process with binary pipes it is bytes.
        word = cast("str | bytes", kind)
        return word.decode() if isinstance(word, bytes) else word, size

    def _content(self, name: str) -> bytes:
        try:
            _, _, size, content = self._running().get_object_data(name)
        except (ValueError, OSError) as error:
            self.close()
            raise MissingObject(name) from error
        if len(content) != size:
            self.close()
            raise MissingObject(name)
        return content

    def _running(self) -> "Protocol":
        if self._protocol is None:
            # GitPython: speaks cat-file's protocol to the process that we started. Whoever reads files alone does
            # without the tenth of a second that it takes to be imported.
            from git import Git as Protocol  # noqa: PLC0415

            protocol = Protocol(str(self._git.directory))
            for name, option in (("cat_file_all", "--batch"), ("cat_file_header", "--batch-check")):
                process = self._git.start(["cat-file", option])
                setattr(protocol, name, Protocol.AutoInterrupt(process, ["cat-file"]))
            self._protocol = protocol
        return self._protocol


def blob_id(content: bytes) -> str:
    """https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
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
