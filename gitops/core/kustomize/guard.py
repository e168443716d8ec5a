"""Reads everything that a build would read before kustomize is started, and refuses what it must never see.

kustomize clones and downloads whatever looks like a URL, in any field that takes a path, and one such URL runs commands
(`file:///...?ref=--upload-pack=...`). It follows symlinks and bases out of the tree, and expands YAML aliases without
a bound. So: only the files found here are ever given to it, and every path in them has been looked at first.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitops.core.config_repo.layout import KUSTOMIZATION_FILES
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.tree import Blob, Source, Tree
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import file_references
from gitops.core.kustomize.file_references import FileReference, ReferenceUse
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import Document, YamlLimits

Read = Callable[[str], bytes]

_SEGMENT = r"[\w.][\w.+,-]*"
_PATH = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*/?")
_INLINE = re.compile(r"[\n{]|:\s|\s#")
_HOST = re.compile(r"github\.com(?:/|$)", re.IGNORECASE)
_FORMAT = b"closure v2\0"  # another number whenever the same files are written another way for kustomize
_KUSTOMIZATION_LIMITS = YamlLimits(documents=1)
_YAML_LIMITS = YamlLimits(size=8 << 20, documents=10_000, nodes=2_000_000)
_PARSED_UP_TO = 256 << 10
_MOST_FILES = 2_000
_MOST_BYTES = 32 << 20
_MOST_BUILDS = 1_000
_DEEPEST = 32
_MOST_REMEMBERED = 20_000


class ReferenceCache:
    """What was found in files before, by content: a pass over unchanged files parses nothing. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[FileReference, ...]] = {}

    def recall(self, key: tuple[str, ...], find: Callable[[], tuple[FileReference, ...]]) -> tuple[FileReference, ...]:
        known = self._known.get(key)
        if known is None:
            known = find()
            if len(self._known) >= _MOST_REMEMBERED:
                self._known = {}
            self._known[key] = known
        return known


@dataclass(frozen=True, slots=True)
class Closure:
    """Exactly the files that a build of the directory `path` reads. `key` hashes their names, modes and git ids.

    `judged`: those of them that name other files, a kustomization (DIRECTORY) or a file of plugin configs (PLUGIN). A
    build gets them as they were read here.
    """

    path: str
    files: Mapping[str, Blob]
    key: str
    judged: Mapping[str, ReferenceUse] = field(default_factory=dict)

    def reads(self, path: str) -> bool:
        """True when a change, addition or removal of `path` can change the build."""
        if path in self.files:
            return True
        directory, slash, name = path.rpartition("/")
        return name in KUSTOMIZATION_FILES and any(
            directory + slash + other in self.files for other in KUSTOMIZATION_FILES
        )


class Guard:
    """`closure` with one memory. `read` returns the content of a blob id. Thread-safe."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._memory = ReferenceCache()

    def closure(self, tree: Tree, path: str) -> Closure:
        """Raises as the function of the same name."""
        return closure(tree, self._read, path, self._memory)


def closure(
    tree: Tree, read: Read, path: str, memory: ReferenceCache | None = None, *, apart: str = ENVIRONMENTS
) -> Closure:
    """Walks every kustomization that is reachable from the directory `path`.

    `read` returns the content of a blob id. Of the directory `apart` a build reads `path` only; when that is empty, in
    a tree that is no config repo yet, it reads what it wants. Raises: Rejected with file and line, by what was found:
    RemoteRefused, PluginRefused, HelmRefused, OutsideTree, OutsideRoot, OtherEnvironment, LinkRefused,
    MissingFile, Cycle, InvalidKustomization, InvalidYaml, LimitExceeded.
    """
    walk = _Walk(tree, read, path, memory or ReferenceCache(), apart)
    walk.build(path, Place(path), 0)
    walk.require_one_use()
    return Closure(path, walk.files, _key(path, walk.files), walk.judged)


def source(found: Closure, read: Read) -> Source:
    """The closure with its contents, as a renderer takes it. Raises: Rejected(LimitExceeded).

    kustomize reads YAML with two parsers of its own. So that it can see no other paths than those that were looked at
    here, what names paths is written anew, in the one form that all parsers read alike.
    """
    files: dict[str, bytes] = {}
    total = 0
    for path, blob in found.files.items():
        files[path] = _as_judged(found.judged.get(path), path, read(blob.id))
        total += len(files[path])
        if total > _MOST_BYTES:
            raise Rejected("LimitExceeded", f"a build may read {_MOST_BYTES >> 20} MiB at most", place=Place(path))
    return Source(found.path, files, found.key)


def _as_judged(use: ReferenceUse | None, path: str, data: bytes) -> bytes:
    if use is ReferenceUse.DIRECTORY:
        return file_references.canonical(yaml_reader.document(data, path, _KUSTOMIZATION_LIMITS))
    return file_references.canonical_plugins(_plugins(path, data)) if use is ReferenceUse.PLUGIN else data


def _key(path: str, files: Mapping[str, Blob]) -> str:
    digest = hashlib.sha256(_FORMAT + path.encode())
    for name in sorted(files):
        digest.update(f"\0{name}\0{files[name].mode}\0{files[name].id}".encode())
    return digest.hexdigest()


@dataclass(slots=True)
class _Walk:
    tree: Tree
    read: Read
    overlay: str
    memory: ReferenceCache
    apart: str = ENVIRONMENTS
    files: dict[str, Blob] = field(default_factory=dict)
    judged: dict[str, ReferenceUse] = field(default_factory=dict)
    _data: dict[str, Place] = field(default_factory=dict)
    _builds: dict[str, int | None] = field(default_factory=dict)
    _clean: set[str] = field(default_factory=set)

    def build(self, directory: str, place: Place, depth: int) -> int:
        """Walks one kustomization; returns how many builds it costs kustomize, which remembers none of them."""
        if directory in self._builds:
            known = self._builds[directory]
            if known is None:
                raise Rejected("Cycle", f"{directory or 'the root'} refers back to itself", place=place)
            return known
        if depth > _DEEPEST:
            raise Rejected("LimitExceeded", f"kustomizations are nested deeper than {_DEEPEST}", place=place)
        self._builds[directory] = None
        file = self._kustomization_file(directory, place)
        builds = 1
        for reference in self._remembered(file, "kustomization", self._references):
            builds += self._follow(directory, reference, depth)
            if builds > _MOST_BUILDS:
                message = f"its bases add up to more than {_MOST_BUILDS} builds"
                raise Rejected("LimitExceeded", message, place=reference.place)
        self._builds[directory] = builds
        return builds

    def _follow(self, directory: str, reference: FileReference, depth: int) -> int:
        path = self._resolved(directory, reference)
        if reference.use is ReferenceUse.DIRECTORY or (
            reference.use is ReferenceUse.RESOURCE and path not in self.tree
        ):
            return self.build(path, reference.place, depth + 1)
        self._require_no_links(path, reference.place)
        self._require_inside(directory, path, reference)
        self._take(path, reference.place)
        if reference.use is ReferenceUse.PLUGIN:
            self.judged[path] = reference.use
            for found in self._remembered(path, "plugin", self._plugin_references):
                self._follow(directory, found, depth)
        elif reference.use is ReferenceUse.DATA:
            self._data[path] = reference.place
        else:
            self._remembered(path, "yaml", self._checked)
        return 0

    def require_one_use(self) -> None:
        """What is written anew for a build cannot be the content of a ConfigMap as well."""
        for path in self.judged.keys() & self._data.keys():
            message = f"{path} configures this build, so it cannot be a generator's data too; use a copy"
            raise Rejected("InvalidKustomization", message, place=self._data[path])

    def _kustomization_file(self, directory: str, place: Place) -> str:
        prefix = f"{directory}/" if directory else ""
        found = [prefix + name for name in KUSTOMIZATION_FILES if prefix + name in self.tree]
        if not found:
            self._require_no_links(directory, place)
            raise Rejected(
                "MissingFile", f"{directory}: no such file, nor a directory with a kustomization", place=place
            )
        if len(found) > 1:
            raise Rejected("InvalidKustomization", f"stands beside {found[0]}; keep one of them", place=Place(found[1]))
        self._take(found[0], place)
        self.judged[found[0]] = ReferenceUse.DIRECTORY
        return found[0]

    def _take(self, path: str, place: Place) -> None:
        self._require_no_links(path, place)
        blob = self.tree.get(path)
        if blob is None:
            raise Rejected("MissingFile", f"{path}: no such file in this revision", place=place)
        self.files[path] = blob
        if len(self.files) > _MOST_FILES:
            raise Rejected("LimitExceeded", f"a build may read {_MOST_FILES} files at most", place=place)

    def _require_no_links(self, path: str, place: Place) -> None:
        while path and path not in self._clean:
            blob = self.tree.get(path)
            if blob is not None and not blob.mode.startswith("100"):
                what = "a submodule" if blob.mode == "160000" else "a symlink"
                raise Rejected("LinkRefused", f"{path} is {what}; only plain files are read", place=place)
            self._clean.add(path)
            path = path.rpartition("/")[0]

    def _resolved(self, directory: str, reference: FileReference) -> str:
        text = reference.text
        if _PATH.fullmatch(text) is None or _HOST.match(text):
            raise _refused(reference)
        parts = directory.split("/") if directory else []
        for segment in text.rstrip("/").split("/"):
            if segment == "..":
                if not parts:
                    raise Rejected("OutsideTree", f"`{text}` leads out of the config repo", place=reference.place)
                parts.pop()
            elif segment != ".":
                parts.append(segment)
        path = "/".join(parts)
        self._require_own_environment(path, reference)
        return path

    def _require_own_environment(self, path: str, reference: FileReference) -> None:
        environments = bool(self.apart) and (path == self.apart or path.startswith(self.apart + "/"))
        if environments and path != self.overlay and not path.startswith(self.overlay + "/"):
            message = f"`{reference.text}` is in {path}; of environments/ an overlay reads {self.overlay} only"
            raise Rejected("OtherEnvironment", message, place=reference.place)

    def _require_inside(self, directory: str, path: str, reference: FileReference) -> None:
        if directory and not path.startswith(directory + "/"):
            message = f"`{reference.text}` is a file outside {directory}/; only directories are shared"
            raise Rejected("OutsideRoot", message, place=reference.place)

    def _remembered(
        self, path: str, use: str, find: Callable[[str, bytes], tuple[FileReference, ...]]
    ) -> tuple[FileReference, ...]:
        blob = self.files[path]
        return self.memory.recall((use, path, blob.id), lambda: find(path, self.read(blob.id)))

    def _references(self, file: str, data: bytes) -> tuple[FileReference, ...]:
        return file_references.references(yaml_reader.document(data, file, _KUSTOMIZATION_LIMITS))

    def _plugin_references(self, file: str, data: bytes) -> tuple[FileReference, ...]:
        return file_references.plugin_references(_plugins(file, data))

    def _checked(self, file: str, data: bytes) -> tuple[FileReference, ...]:
        """Without both an anchor and an alias there is nothing to expand: large files need not be parsed then."""
        is_large = len(data) > _YAML_LIMITS.size or data.count(b"\n---") > _YAML_LIMITS.documents
        if len(data) <= _PARSED_UP_TO or is_large or (b"&" in data and b"*" in data):
            _documents(file, data)
        return ()


def _documents(file: str, data: bytes) -> tuple[Document, ...]:
    return yaml_reader.documents(data, file, _YAML_LIMITS)


def _plugins(file: str, data: bytes) -> tuple[Document, ...]:
    return file_references.plugin_documents(data, file, _YAML_LIMITS)


def _refused(reference: FileReference) -> Rejected:
    if _INLINE.search(reference.text):
        return _refused_inline(reference)
    text = _without_value(reference.text)[:200]
    if text.startswith("/"):
        return Rejected("OutsideTree", f"`{text}` is an absolute path", place=reference.place)
    if any(mark in text for mark in ":@?%~") or _HOST.match(text):
        message = f"`{_without_user(text)}` looks like a remote address; nothing is fetched: vendor it instead"
        return Rejected("RemoteRefused", message, place=reference.place)
    message = f"`{text}` is not a plain path (letters, digits and . _ - + , between single slashes)"
    return Rejected("InvalidKustomization", message, place=reference.place)


def _refused_inline(reference: FileReference) -> Rejected:
    """Of what was meant to be an object nothing is repeated: it may be a Secret's."""
    if file_references.is_remote(reference.text):
        message = "begins as a remote address; nothing is fetched: vendor it instead"
        return Rejected("RemoteRefused", message, place=reference.place)
    message = "this text holds no object with a kind, and is no path (its content is not shown)"
    return Rejected("InvalidKustomization", message, place=reference.place)


def _without_value(text: str) -> str:
    """What stands behind `=` may be a literal in the wrong list."""
    name, separator, _ = text.partition("=")
    return f"{name}=…" if separator else text


def _without_user(text: str) -> str:
    """User information of a URL stays out of messages."""
    return re.sub(r"//[^/@]*@", "//", text)
