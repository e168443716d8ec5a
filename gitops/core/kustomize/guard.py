"""The guard: finds every file that a build would read, before kustomize starts, and refuses dangerous references.

kustomize clones or downloads anything that looks like a URL, in every field that takes a path, and some URLs run
commands (`file:///...?ref=--upload-pack=...`). It follows symlinks and bases out of the tree, and expands YAML aliases
without a bound. So kustomize gets only the files found here, and every path in them has been checked.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Protocol

from gitops.core.config_repo.layout import KUSTOMIZATION_FILES
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.tree import Blob, BlobReader, Source, Tree
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import file_references
from gitops.core.kustomize.file_references import FileReference, ReferenceUse
from gitops.core.parsing import yaml_reader
from gitops.core.parsing.yaml_reader import Document, YamlLimits

_SEGMENT = r"[\w.][\w.+,-]*"
_PATH = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*/?")
_INLINE = re.compile(r"[\n{]|:\s|\s#")
_HOST = re.compile(r"github\.com(?:/|$)", re.IGNORECASE)
_FORMAT = b"closure v2\0"  # raise the number when the same files are written for kustomize in another way
_KUSTOMIZATION_LIMITS = YamlLimits(documents=1)
_YAML_LIMITS = YamlLimits(size=8 << 20, documents=10_000, nodes=2_000_000)
_PARSED_UP_TO = 256 << 10
_MOST_FILES = 2_000
_MOST_BYTES = 32 << 20
_MOST_BUILDS = 1_000
_DEEPEST = 32
_MOST_REMEMBERED = 20_000


class ReferenceReader(Protocol):
    """Reads the references of one file. Raises: Rejected with file and line."""

    def __call__(self, use: ReferenceUse, path: str, blob_id: str, /) -> tuple[FileReference, ...]: ...


@dataclass(frozen=True, slots=True)
class Closure:
    """Exactly the files that a build of the directory `path` reads. `key`: a hash of their names, modes and git ids.

    `rewritten`: the files with references, which are kustomizations (DIRECTORY) and files of plugin configs (PLUGIN).
    A build gets them in canonical form.
    """

    path: str
    files: Mapping[str, Blob]
    key: str
    rewritten: Mapping[str, ReferenceUse] = field(default_factory=dict)

    def reads(self, path: str) -> bool:
        """True if a change, addition or removal of `path` can change the build."""
        if path in self.files:
            return True
        directory, slash, name = path.rpartition("/")
        return name in KUSTOMIZATION_FILES and any(
            directory + slash + other in self.files for other in KUSTOMIZATION_FILES
        )


class Guard:
    """Finds closures, and remembers the references of each file by content: unchanged files are not parsed again.

    Thread-safe.
    """

    def __init__(self, read_blob: BlobReader) -> None:
        self._find: ReferenceReader = lru_cache(_MOST_REMEMBERED)(partial(_find_references, read_blob))

    def closure(self, tree: Tree, path: str) -> Closure:
        """The closure of the directory `path`. Raises: as the function `closure`."""
        return _walk(tree, path, self._find, ENVIRONMENTS)


def closure(tree: Tree, read_blob: BlobReader, path: str, *, isolated: str = ENVIRONMENTS) -> Closure:
    """Walks every kustomization that is reachable from the directory `path`.

    Below the directory `isolated` a build may read only `path`. An empty `isolated` allows every directory, for a tree
    that is not a config repo yet.

    Raises: Rejected with file and line: RemoteRefused, PluginRefused, HelmRefused, OutsideTree, OutsideRoot,
    OtherEnvironment, LinkRefused, MissingFile, Cycle, InvalidKustomization, InvalidYaml, LimitExceeded.
    """
    return _walk(tree, path, partial(_find_references, read_blob), isolated)


def source(found: Closure, read_blob: BlobReader) -> Source:
    """Reads the contents of the closure, for a renderer. Raises: Rejected(LimitExceeded).

    kustomize has two YAML parsers of its own. Files with references are rewritten in a form that all parsers read in
    the same way, so that kustomize cannot see a path that was not checked here.
    """
    files: dict[str, bytes] = {}
    total = 0
    for path, blob in found.files.items():
        files[path] = _content(found.rewritten.get(path), path, read_blob(blob.id))
        total += len(files[path])
        if total > _MOST_BYTES:
            raise Rejected("LimitExceeded", f"a build may read {_MOST_BYTES >> 20} MiB at most", place=Place(path))
    return Source(found.path, files, found.key)


def _content(use: ReferenceUse | None, path: str, data: bytes) -> bytes:
    if use is ReferenceUse.DIRECTORY:
        return file_references.canonical(yaml_reader.document(data, path, _KUSTOMIZATION_LIMITS))
    return file_references.canonical_plugins(_plugins(path, data)) if use is ReferenceUse.PLUGIN else data


def _key(path: str, files: Mapping[str, Blob]) -> str:
    digest = hashlib.sha256(_FORMAT + path.encode())
    for name in sorted(files):
        digest.update(f"\0{name}\0{files[name].mode}\0{files[name].id}".encode())
    return digest.hexdigest()


def _walk(tree: Tree, path: str, find: ReferenceReader, isolated: str) -> Closure:
    walk = _Walk(tree, path, find, isolated)
    walk.build(path, Place(path), 0)
    walk.require_one_use()
    return Closure(path, walk.files, _key(path, walk.files), walk.rewritten)


@dataclass(slots=True)
class _Walk:
    tree: Tree
    overlay: str
    find: ReferenceReader
    isolated: str
    files: dict[str, Blob] = field(default_factory=dict)
    rewritten: dict[str, ReferenceUse] = field(default_factory=dict)
    _data: dict[str, Place] = field(default_factory=dict)
    _builds: dict[str, int | None] = field(default_factory=dict)
    _without_links: set[str] = field(default_factory=set)

    def build(self, directory: str, place: Place, depth: int) -> int:
        """Walks one kustomization. Returns the number of builds that it costs kustomize, which caches none."""
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
        for reference in self._find(file, ReferenceUse.DIRECTORY):
            builds += self._follow(directory, reference, depth)
            if builds > _MOST_BUILDS:
                message = f"its bases add up to more than {_MOST_BUILDS} builds"
                raise Rejected("LimitExceeded", message, place=reference.place)
        self._builds[directory] = builds
        return builds

    def _follow(self, directory: str, reference: FileReference, depth: int) -> int:
        path = self._resolve(directory, reference)
        if reference.use is ReferenceUse.DIRECTORY or (
            reference.use is ReferenceUse.RESOURCE and path not in self.tree
        ):
            return self.build(path, reference.place, depth + 1)
        self._require_no_links(path, reference.place)
        self._require_inside(directory, path, reference)
        self._take(path, reference.place)
        if reference.use is ReferenceUse.PLUGIN:
            self.rewritten[path] = reference.use
            for found in self._find(path, ReferenceUse.PLUGIN):
                self._follow(directory, found, depth)
        elif reference.use is ReferenceUse.DATA:
            self._data[path] = reference.place
        else:
            self._find(path, ReferenceUse.YAML)
        return 0

    def require_one_use(self) -> None:
        """Refuses a file that is rewritten for the build and is the content of a ConfigMap as well."""
        for path in self.rewritten.keys() & self._data.keys():
            message = f"{path} configures this build, so a generator cannot use it as data; use a copy"
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
        self.rewritten[found[0]] = ReferenceUse.DIRECTORY
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
        while path and path not in self._without_links:
            blob = self.tree.get(path)
            if blob is not None and not blob.mode.startswith("100"):
                what = "a submodule" if blob.mode == "160000" else "a symlink"
                raise Rejected("LinkRefused", f"{path} is {what}; only plain files are read", place=place)
            self._without_links.add(path)
            path = path.rpartition("/")[0]

    def _resolve(self, directory: str, reference: FileReference) -> str:
        text = reference.text
        if _PATH.fullmatch(text) is None or _HOST.match(text):
            raise _describe_refusal(reference)
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
        environments = bool(self.isolated) and (path == self.isolated or path.startswith(self.isolated + "/"))
        if environments and path != self.overlay and not path.startswith(self.overlay + "/"):
            message = f"`{reference.text}` is in {path}; of environments/ an overlay reads {self.overlay} only"
            raise Rejected("OtherEnvironment", message, place=reference.place)

    def _require_inside(self, directory: str, path: str, reference: FileReference) -> None:
        if directory and not path.startswith(directory + "/"):
            message = f"`{reference.text}` is a file outside {directory}/; only directories are shared"
            raise Rejected("OutsideRoot", message, place=reference.place)

    def _find(self, path: str, use: ReferenceUse) -> tuple[FileReference, ...]:
        return self.find(use, path, self.files[path].id)


def _find_references(read_blob: BlobReader, use: ReferenceUse, path: str, blob_id: str) -> tuple[FileReference, ...]:
    data = read_blob(blob_id)
    if use is ReferenceUse.DIRECTORY:
        return file_references.references(yaml_reader.document(data, path, _KUSTOMIZATION_LIMITS))
    if use is ReferenceUse.PLUGIN:
        return file_references.plugin_references(_plugins(path, data))
    _check_yaml(path, data)
    return ()


def _check_yaml(path: str, data: bytes) -> None:
    """Refuses aliases that expand too far. A large file without both an anchor and an alias is not parsed."""
    is_over_limit = len(data) > _YAML_LIMITS.size or data.count(b"\n---") > _YAML_LIMITS.documents
    if len(data) <= _PARSED_UP_TO or is_over_limit or (b"&" in data and b"*" in data):
        yaml_reader.documents(data, path, _YAML_LIMITS)


def _plugins(file: str, data: bytes) -> tuple[Document, ...]:
    return file_references.plugin_documents(data, file, _YAML_LIMITS)


def _describe_refusal(reference: FileReference) -> Rejected:
    if _INLINE.search(reference.text):
        return _describe_inline_refusal(reference)
    text = _without_value(reference.text)[:200]
    if text.startswith("/"):
        return Rejected("OutsideTree", f"`{text}` is an absolute path", place=reference.place)
    if any(mark in text for mark in ":@?%~") or _HOST.match(text):
        message = f"`{_without_user(text)}` looks like a remote address; nothing is fetched: vendor it instead"
        return Rejected("RemoteRefused", message, place=reference.place)
    message = f"`{text}` is not a plain path (letters, digits and . _ - + , between single slashes)"
    return Rejected("InvalidKustomization", message, place=reference.place)


def _describe_inline_refusal(reference: FileReference) -> Rejected:
    """Repeats nothing of a text that was meant to be an object: it may be a Secret."""
    if file_references.is_remote(reference.text):
        message = "begins as a remote address; nothing is fetched: vendor it instead"
        return Rejected("RemoteRefused", message, place=reference.place)
    message = "this text holds no object with a kind, and is no path (its content is not shown)"
    return Rejected("InvalidKustomization", message, place=reference.place)


def _without_value(text: str) -> str:
    """Drops the text behind `=`: it may be a literal in the wrong list."""
    name, separator, _ = text.partition("=")
    return f"{name}=…" if separator else text


def _without_user(text: str) -> str:
    """Drops the user information of a URL."""
    return re.sub(r"//[^/@]*@", "//", text)
