"""Finds the environments in a tree of kustomizations, by directory names and by the references between directories."""

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitops.core.config_repo.layout import KUSTOMIZATION_FILES
from gitops.core.config_repo.tree import BlobReader, Tree
from gitops.core.errors import Rejected
from gitops.core.kustomize import file_references
from gitops.core.kustomize.file_references import ReferenceUse
from gitops.core.onboarding import directory_names
from gitops.core.parsing import yaml_reader


@dataclass(frozen=True, slots=True)
class KustomizationDirectory:
    """A directory with a kustomization. `refers`: the other such directories that it refers to; `prefix` and `suffix`:
    its namePrefix and nameSuffix; `images`: the names of images that it sets, as they are rendered.
    """

    file: str
    refers: tuple[str, ...] = ()
    is_component: bool = False
    prefix: str = ""
    suffix: str = ""
    images: frozenset[str] = frozenset()


Graph = Mapping[str, KustomizationDirectory]


@dataclass(frozen=True, slots=True)
class OverlayRoot:
    """A directory that is deployed to an environment. `service` is empty if the directory is the whole environment."""

    environment: str
    path: str
    service: str = ""

    @property
    def target(self) -> str:
        """The directory that it gets in a config repo."""
        return f"environments/{self.environment}" + (f"/{self.service}" if self.service else "")

    @property
    def overlay(self) -> str:
        return self.target.removeprefix("environments/")


@dataclass(frozen=True, slots=True)
class Discovered:
    """`left_out`: directories that look deployed, but their environment has no known name while that of others has."""

    roots: tuple[OverlayRoot, ...]
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Candidates:
    """`roots`: directory -> (environment, path of the service)."""

    roots: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def build_graph(tree: Tree, read: BlobReader) -> Graph:
    """Every directory with a kustomization.

    One that cannot be parsed refers to nothing: guard.closure reports it later.
    """
    found: dict[str, KustomizationDirectory] = {}
    for path in sorted(tree):
        directory, _, name = path.rpartition("/")
        if name in KUSTOMIZATION_FILES:
            found.setdefault(directory, KustomizationDirectory(path))
    return {directory: _read(each, directory, found, tree, read) for directory, each in found.items()}


def reachable(known: Graph, start: str) -> tuple[str, ...]:
    """`start` and every directory that it refers to, directly or not, in the order in which a build reads them."""
    found: dict[str, None] = {}
    waiting = [start]
    while waiting:
        directory = waiting.pop()
        if directory in known and directory not in found:
            found[directory] = None
            waiting += reversed(known[directory].refers)
    return tuple(found)


def resolve(directory: str, text: str) -> str:
    """The path from the root of the tree for a path relative to `directory`; empty for the root itself."""
    path = posixpath.normpath(posixpath.join(directory, text))
    return "" if path == "." else path


def find_environments(known: Graph, within: str = "") -> Discovered:
    """The environments in and below the directory `within`, by the names of their directories."""
    candidates = _find_candidates(known, within)
    has_known_name = any(directory_names.rank(environment) is not None for environment, _ in candidates.roots.values())
    if has_known_name:
        unknown = [path for path, (name, _) in candidates.roots.items() if directory_names.rank(name) is None]
        candidates.left_out += unknown
        for path in unknown:
            del candidates.roots[path]
    return Discovered(_name_roots(candidates.roots), tuple(sorted(candidates.left_out)))


def take_environments(known: Graph, environments: Mapping[str, str]) -> Discovered:
    """The environments that a person named. `environments`: name -> directory.

    Raises: Rejected(NotFound) for a directory without a kustomization in or below it.
    """
    roots: dict[str, tuple[str, tuple[str, ...]]] = {}
    for environment, path in environments.items():
        below = [path] if path in known else _top_directories(known, [each for each in known if _is_below(each, path)])
        if not below:
            message = f"there is no kustomization in {path or '.'}, which --environment names for {environment}"
            raise Rejected("NotFound", message)
        for each in below:
            rest = each.removeprefix(path).strip("/")
            roots[each] = (environment, tuple(rest.split("/")) if rest else ())
    return Discovered(_name_roots(roots))


def find_suspected_twins(roots: Sequence[OverlayRoot], known: Graph) -> Iterator[tuple[OverlayRoot, OverlayRoot]]:
    """Pairs of roots of one environment that refer to the same directory: both may render the same objects."""
    firsts: dict[tuple[str, str], OverlayRoot] = {}
    for root in roots:
        for directory in reachable(known, root.path):
            other = firsts.setdefault((root.environment, directory), root)
            if other is not root and not known[directory].is_component:
                yield other, root


def _find_candidates(known: Graph, within: str) -> _Candidates:
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for directory, each in known.items():
        at = directory_names.position(directory)
        if at is not None and not each.is_component and (_is_below(directory, within) or directory == within):
            found[directory] = directory.split("/")[at], directory_names.service_path(directory, at)
    inner = {
        other
        for directory, (environment, _) in found.items()
        for other in reachable(known, directory)[1:]
        if other in found and found[other][0] == environment
    }
    return _Candidates({path: root for path, root in found.items() if path not in inner})


def _name_roots(roots: Mapping[str, tuple[str, tuple[str, ...]]]) -> tuple[OverlayRoot, ...]:
    """The roots with short names. They have a service only if several belong to one environment."""
    environments = [environment for environment, _ in roots.values()]
    if len(set(environments)) == len(environments):
        return tuple(OverlayRoot(directory_names.label(environment), path) for path, (environment, _) in roots.items())
    services = directory_names.short_names([service for _, service in roots.values()])
    return tuple(
        OverlayRoot(directory_names.label(environment), path, services[service])
        for path, (environment, service) in roots.items()
    )


def _top_directories(known: Graph, directories: Sequence[str]) -> list[str]:
    """The directories that no other one of them refers to."""
    inner = {other for each in directories for other in reachable(known, each)[1:]}
    return [each for each in directories if each not in inner and not known[each].is_component]


def _is_below(path: str, directory: str) -> bool:
    return not directory or path.startswith(f"{directory}/")


def _read(
    each: KustomizationDirectory, directory: str, known: Collection[str], tree: Tree, read: BlobReader
) -> KustomizationDirectory:
    try:
        document = yaml_reader.document(read(tree[each.file].id), each.file)
        value = document.value if isinstance(document.value, dict) else {}
        refers = tuple(dict.fromkeys(_directories_of(document, directory, known)))
    except (Rejected, KeyError):
        return each
    prefix, suffix = (str(value.get(field) or "") for field in ("namePrefix", "nameSuffix"))
    return KustomizationDirectory(
        each.file, refers, value.get("kind") == "Component", prefix, suffix, _set_images(value.get("images"))
    )


def _set_images(entries: object) -> frozenset[str]:
    """The names of the images after this kustomization has changed them."""
    found = [each for each in (entries if isinstance(entries, list) else []) if isinstance(each, dict)]
    return frozenset(str(each.get("newName") or each.get("name")) for each in found)


def _directories_of(document: yaml_reader.Document, directory: str, known: Collection[str]) -> Iterator[str]:
    for reference in file_references.references(document):
        path = resolve(directory, reference.text)
        if reference.use in {ReferenceUse.DIRECTORY, ReferenceUse.RESOURCE} and path in known:
            yield path
