"""Which file most probably sets what a violation complains about.

kustomize says which file an object came from and which files' transformers ran on it, but not which of them set a
field: among those files, the line that speaks of the field, its value and its object is the best guess.
https://github.com/kubernetes-sigs/kustomize/blob/master/examples/inlinePatch.md and kustomization's `buildMetadata`.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gitops.core.config_repo.layout import KUSTOMIZATION_FILES
from gitops.core.config_repo.tree import Source
from gitops.core.contract.violations import Violation
from gitops.core.errors import Place, Rejected
from gitops.core.ownership import fields
from gitops.core.parsing import yaml_reader

DIRECTORY = "lockstep-origins"
_ORIGIN = "config.kubernetes.io/origin"
_TRANSFORMED = "alpha.config.kubernetes.io/transformations"
_LIMITS = yaml_reader.YamlLimits(size=32 << 20, documents=10_000, nodes=2_000_000)
_PUNCTUATION = re.compile(r"[\s'\"{}\[\],:=-]+")


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """Files from the root of the tree: where an object came from, and those whose transformers ran on it."""

    file: str
    transformed: tuple[str, ...] = ()


def wrapped(source: Source) -> Source:
    """A build of the same tree in which every object carries its origin."""
    text = f"resources: [../{source.path}]\nbuildMetadata: [originAnnotations, transformerAnnotations]\n"
    files = {**source.files, f"{DIRECTORY}/{KUSTOMIZATION_FILES[0]}": text.encode()}
    return replace(source, path=DIRECTORY, files=files, key=f"{source.key}:origins")


def origins(rendered: bytes) -> Mapping[tuple[str, str], FileOrigin]:
    """(kind, name) -> Origin, of a build of `wrapped`. Raises: Rejected as yaml_text.documents."""
    found = {}
    for document in yaml_reader.documents(rendered, f"{DIRECTORY} (rendered)", _LIMITS):
        metadata = document.value.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        [(own, _), *_] = [*_entries(annotations.get(_ORIGIN)), ("", "")]
        others = [each for _, each in _entries(annotations.get(_TRANSFORMED))]
        found[str(document.value.get("kind")), str(metadata.get("name"))] = FileOrigin(
            own, tuple(dict.fromkeys(others))
        )
    return found


def placed(
    violation: Violation, found: Mapping[tuple[str, str], FileOrigin], own: Mapping[str, bytes], overlay: str
) -> Violation:
    """The violation with its place. `own`: the files that the overlay reads and the reference does not."""
    origin = found.get((violation.key.kind, violation.key.name))
    if not violation.field:
        return violation.at(Place(origin.file if origin and origin.file in own else overlay))
    best = max(_lines(violation, own, origin), default=None)
    if best is not None:
        return violation.at(Place(best[1], -best[2]))
    return violation.at(Place(origin.file) if origin and origin.file else Place(overlay))


def _lines(violation: Violation, own: Mapping[str, bytes], origin: FileOrigin | None) -> Iterator[tuple[int, str, int]]:
    """(score, file, negative line) of every line that could be meant."""
    name = fields.last_name(violation.field)
    value = violation.after if violation.after not in {None, "***"} else None
    near = (origin.file, *origin.transformed) if origin else ()
    for file, content in own.items():
        text = content.decode("utf-8", "replace")
        bonus = (violation.key.name in text) + (file in near)
        for number, line in enumerate(text.splitlines(), 1):
            score = _score(line, name, value, violation.field)
            if score:
                yield score + bonus, file, -number


def _score(line: str, name: str, value: str | None, path: str) -> int:
    if line.lstrip().startswith("#"):
        return 0
    words = _PUNCTUATION.split(line)
    names = 3 * (name in words or (name in line and len(name) > 3))
    values = 3 * (value is not None and len(value) > 1 and (value in words or (len(value) > 5 and value in line)))
    return names + values + 2 * (path in line)


def _entries(annotation: Any) -> Iterable[tuple[str, str]]:
    """(path of the object's file or of its generator's, file that configured it) of each entry."""
    try:
        documents: Sequence[yaml_reader.Document] = yaml_reader.documents(
            str(annotation or "").encode(), _ORIGIN, _LIMITS
        )
    except Rejected:
        return
    for document in documents:
        for entry in document.value if isinstance(document.value, list) else [document.value]:
            if isinstance(entry, dict):
                configured = _file(entry.get("configuredIn"))
                yield _file(entry.get("path")) or configured, configured


def _file(path: Any) -> str:
    return posixpath.normpath(posixpath.join(DIRECTORY, str(path))) if path else ""
