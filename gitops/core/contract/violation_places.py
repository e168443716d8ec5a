"""Finds the file and line that most probably set the field of a violation.

kustomize records from which file an object came and which files' transformers ran on it, but not which of them set a
field. The best guess is the line in those files that has the most of the field, its value and its object.
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
    """`file`: the file that an object came from; `transformed`: the files whose transformers ran on it. Both are paths
    from the root of the tree.
    """

    file: str
    transformed: tuple[str, ...] = ()


def with_origins(source: Source) -> Source:
    """A build of the same tree in which kustomize annotates every object with its origin."""
    text = f"resources: [../{source.path}]\nbuildMetadata: [originAnnotations, transformerAnnotations]\n"
    files = {**source.files, f"{DIRECTORY}/{KUSTOMIZATION_FILES[0]}": text.encode()}
    return replace(source, path=DIRECTORY, files=files, key=f"{source.key}:origins")


def parse_origins(rendered: bytes) -> Mapping[tuple[str, str], FileOrigin]:
    """(kind, name) -> origin, of the render of `with_origins`. Raises: Rejected as yaml_reader.documents does."""
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


def locate(
    violation: Violation, found: Mapping[tuple[str, str], FileOrigin], own: Mapping[str, bytes], overlay: str
) -> Violation:
    """The violation with its place. `own`: path -> content of the files that the overlay reads and the reference does
    not; `overlay`: the overlay's kustomization, which is the place if nothing better is found.
    """
    origin = found.get((violation.key.kind, violation.key.name))
    if not violation.field:
        return violation.at(Place(origin.file if origin and origin.file in own else overlay))
    best = max(_score_lines(violation, own, origin), default=None)
    if best is not None:
        return violation.at(Place(best[1], -best[2]))
    return violation.at(Place(origin.file) if origin and origin.file else Place(overlay))


def _score_lines(
    violation: Violation, own: Mapping[str, bytes], origin: FileOrigin | None
) -> Iterator[tuple[int, str, int]]:
    """(score, file, negative line number) of every line that may set the field. Of equal scores the first line wins."""
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
    """(file of the object or of its generator, file that configured it) of each entry of an annotation."""
    try:
        documents: Sequence[yaml_reader.Document] = yaml_reader.documents(
            str(annotation or "").encode(), _ORIGIN, _LIMITS
        )
    except Rejected:
        return
    for document in documents:
        for entry in document.value if isinstance(document.value, list) else [document.value]:
            if isinstance(entry, dict):
                configured = _from_root(entry.get("configuredIn"))
                yield _from_root(entry.get("path")) or configured, configured


def _from_root(path: Any) -> str:
    return posixpath.normpath(posixpath.join(DIRECTORY, str(path))) if path else ""
