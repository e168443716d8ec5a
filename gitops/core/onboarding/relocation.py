"""Copies the files of each environment below environments/ and rewrites their references to the new paths.

An environment's own files are in the directory that is deployed, in directories below it, and in every directory on the
way to the base that has the environment's name. All other files stay where they are and are base.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitops.core.config_repo.layout import KUSTOMIZATION_FILES
from gitops.core.config_repo.pipeline import ENVIRONMENTS
from gitops.core.config_repo.release import HOLD_FILE, RELEASE_FILE
from gitops.core.config_repo.tree import Blob, BlobReader
from gitops.core.errors import Place, Rejected
from gitops.core.kustomize import file_references
from gitops.core.kustomize.file_references import FileReference, ReferenceUse
from gitops.core.onboarding import directory_names
from gitops.core.onboarding.discovery import Graph, OverlayRoot, reachable, resolve
from gitops.core.parsing import yaml_reader


@dataclass(frozen=True, slots=True)
class Relocation:
    """`files`: new path -> content; `old`: new path -> the path that it was copied from; `shared`: the directories that
    the overlay uses and that are not its own, by their new paths, in the order of the build.
    """

    files: Mapping[str, bytes]
    old: Mapping[str, str]
    shared: tuple[str, ...]


def relocate(root: OverlayRoot, known: Graph, closure: Mapping[str, Blob], read: BlobReader) -> Relocation:
    """The overlay at its new place. `closure`: the files that a build of the root reads.

    Raises: Rejected(CannotRewrite) with file and line for a reference in unusual YAML; Rejected(ReservedName) for a
    file with the name of one that Lockstep writes.
    """
    moved = _new_directories(root, known)
    rewritten = [directory for directory in reachable(known, root.path) if directory in moved]
    old = {new: path for path in closure if (new := _new_path(path, moved, known)) != path}
    for name in (RELEASE_FILE, HOLD_FILE):
        if f"{root.target}/{name}" in old:
            message = f"beside an overlay's kustomization Lockstep writes {name} itself: give this file another name"
            raise Rejected("ReservedName", message, place=Place(old[f"{root.target}/{name}"]))
    files = {new: read(closure[path].id) for new, path in old.items()}
    for directory in rewritten:
        file = known[directory].file
        new = _new_path(file, moved, known)
        text = _rewrite_references(read(closure[file].id), file, directory, moved)
        if text != read(closure[file].id) or new != file:
            files[new] = text
    shared = (moved.get(each, each) for each in reachable(known, root.path) if not _is_own(root, each))
    return Relocation(files, old, tuple(dict.fromkeys(shared)))


def _is_own(root: OverlayRoot, directory: str) -> bool:
    if directory == root.path or not root.path or directory.startswith(f"{root.path}/"):
        return True
    at = directory_names.position(directory)
    return at is not None and directory_names.label(directory.split("/")[at]) == root.environment


def _new_directories(root: OverlayRoot, known: Graph) -> dict[str, str]:
    """Old -> new directory, for the directories that the overlay refers to and that cannot stay where they are."""
    moved: dict[str, str] = {}
    for directory in sorted(reachable(known, root.path), key=lambda each: (each != root.path, each)):
        above = next((each for each in moved if directory.startswith(f"{each}/")), None)
        if above is not None and _is_own(root, directory) == _is_own(root, above):
            new = moved[above] + directory[len(above) :]
        elif directory == root.path:
            new = root.target
        elif _is_own(root, directory):
            new = f"{root.target}/{directory_names.label(directory)}"
        elif directory == ENVIRONMENTS or directory.startswith(f"{ENVIRONMENTS}/"):
            new = f"base{directory.removeprefix(ENVIRONMENTS).removeprefix('/base')}"
        else:
            continue
        moved[directory] = new
    return moved


def _new_path(path: str, moved: Mapping[str, str], known: Graph) -> str:
    directory = posixpath.dirname(path)
    while directory and directory not in known:
        directory = posixpath.dirname(directory)
    return f"{moved[directory]}{path[len(directory) :]}" if directory in moved else path


def _rewrite_references(data: bytes, file: str, directory: str, moved: Mapping[str, str]) -> bytes:
    """The kustomization with its paths rewritten: they lead from its new place to the new places of the files."""
    wanted = list(_new_references(data, file, directory, moved))
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for reference, new in wanted:
        if reference.text != new:
            _replace(lines, reference, new)
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    if [each.text for each in file_references.references(yaml_reader.document(text, file))] != [
        new for _, new in wanted
    ]:
        raise Rejected(
            "CannotRewrite",
            "the paths of this file cannot be rewritten safely: write each as a plain scalar",
            place=Place(file),
        )
    return text


def _new_references(
    data: bytes, file: str, directory: str, moved: Mapping[str, str]
) -> Iterator[tuple[FileReference, str]]:
    """Every reference of the kustomization with its text at the new place."""
    for reference in file_references.references(yaml_reader.document(data, file)):
        target = resolve(directory, reference.text)
        inside = (
            reference.use not in {ReferenceUse.DIRECTORY, ReferenceUse.RESOURCE}
            or target.rpartition("/")[2] in KUSTOMIZATION_FILES
        )
        if inside:
            yield reference, reference.text
            continue
        before = posixpath.relpath(target or ".", directory or ".")
        now = posixpath.relpath(_new_place(target, moved) or ".", moved[directory] or ".")
        yield reference, reference.text if before == now else now


def _new_place(path: str, moved: Mapping[str, str]) -> str:
    """The new path of a directory, or of a file in it."""
    above = max((each for each in moved if path == each or path.startswith(f"{each}/")), key=len, default=None)
    return path if above is None else moved[above] + path[len(above) :]


def _replace(lines: list[str], reference: FileReference, new: str) -> None:
    number = (reference.place.line or 1) - 1
    expression = re.compile(rf"(?<![\w./+-]){re.escape(reference.text)}(?![\w./+-])")
    for at in range(number, min(number + 2, len(lines))):
        if expression.search(lines[at]):
            lines[at] = expression.sub(lambda _: new, lines[at])
            return
    raise Rejected(
        "CannotRewrite",
        f"the path `{reference.text}` cannot be rewritten: write it as a plain scalar",
        place=reference.place,
    )
