"""Finds the references of a kustomization and of its plugin configs: every field that holds a path or a URL.

The tables follow kustomize 5.8 (api/types/kustomization.go, api/internal/localizer, api/internal/builtins). kustomize
ignores the case of field names, so a field that is not in the tables with this exact case is refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from gitops.core.errors import Place, Rejected
from gitops.core.parsing import yaml_reader, yaml_scalars
from gitops.core.parsing.yaml_reader import Document, YamlLimits

INLINE_LIMITS = YamlLimits(documents=1_000)


class ReferenceUse(Enum):
    """The use that kustomize makes of a path.

    DATA: as the bytes of a file. YAML: as a parsed file. DIRECTORY: as a kustomization. RESOURCE: as YAML or DIRECTORY.
    PLUGIN: as a file of plugin configs.
    """

    DATA = auto()
    YAML = auto()
    DIRECTORY = auto()
    RESOURCE = auto()
    PLUGIN = auto()


@dataclass(frozen=True, slots=True)
class FileReference:
    """A path, as written, relative to the directory of the kustomization file."""

    text: str
    use: ReferenceUse
    place: Place


_REMOTE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:(?:/|:)|https?:|github\.com|[a-z][a-z0-9-]*@)", re.IGNORECASE)
_BREAKS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that JSON allows, and that YAML reads as line breaks or forbids."""
_PLUGIN_SECTIONS = frozenset({"generators", "transformers", "validators"})
_Path = tuple[str | int, ...]


class FieldReader(Protocol):
    """Finds the references in one field. `path` leads to the field from the root of the document."""

    def __call__(self, document: Document, value: Any, path: _Path, /) -> Iterator[FileReference]: ...


class DocumentReader(Protocol):
    """Parses YAML documents: those of kustomizations, or those of plugin configs."""

    def __call__(self, data: bytes, file: str, limits: YamlLimits, /) -> tuple[Document, ...]: ...


_Shape = Mapping[str, FieldReader]
"""The fields of a mapping, each with its reader."""


def references(document: Document) -> tuple[FileReference, ...]:
    """The references of a kustomization file.

    Raises: Rejected(InvalidKustomization, PluginRefused, HelmRefused, InvalidYaml, LimitExceeded) with file and line.
    """
    if not isinstance(document.value, dict):
        raise _wrong(document, (), "a kustomization must be a mapping of fields")
    if document.value.get("kind", "Kustomization") not in ("Kustomization", "Component"):  # `kind` may be a list
        raise _wrong(document, ("kind",), "`kind` must be Kustomization or Component")
    return tuple(_mapping(KUSTOMIZATION)(document, document.value, ()))


def plugin_documents(data: bytes, file: str, limits: YamlLimits) -> tuple[Document, ...]:
    """Parses a file of plugin configs as kustomize does. Raises: Rejected(InvalidYaml, LimitExceeded)."""
    return yaml_reader.documents(data, file, limits, yaml_scalars.resolve_in_plugins)


def plugin_references(documents: tuple[Document, ...]) -> tuple[FileReference, ...]:
    """The references of a file of generators, transformers or validators. Raises: as `references`."""
    return tuple(reference for document in documents for reference in _plugin(document))


def canonical(document: Document) -> bytes:
    """Rewrites a kustomization that `references` accepted as JSON on one line, without anchors, tags, merge keys and
    comments: every YAML parser reads that in the same way.
    """
    value = dict(document.value)
    for section in _PLUGIN_SECTIONS & value.keys():
        entries = enumerate(value[section] or ())
        value[section] = [_canonical_entry(document, text, (section, number)) for number, text in entries]
    return _json(value)


def canonical_plugins(documents: tuple[Document, ...]) -> bytes:
    """Rewrites a file that `plugin_references` accepted in the same way."""
    return b"---\n".join(_json(document.value) for document in documents)


def _canonical_entry(document: Document, text: Any, path: _Path) -> Any:
    """Rewrites plugin configs that a kustomization has as inline YAML."""
    found = _parse_objects(document, _text(document, text, path), path, plugin_documents)
    return text if found is None else canonical_plugins(found).decode()


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def _plugin(document: Document) -> Iterator[FileReference]:
    value = document.value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or value.get("apiVersion") != "builtin" or kind not in PLUGINS:
        message = (
            f"the plugin {str(kind)[:80]!r} is not run here: only kustomize's builtin ones are "
            "(apiVersion: builtin), no Helm, executables, containers or functions"
        )
        raise Rejected("PluginRefused", message, place=document.place(("kind",)))
    shape = PLUGINS[kind]
    if shape is not None:
        yield from _mapping({**dict.fromkeys(("apiVersion", "kind", "metadata"), _no_reference), **shape})(
            document, value, ()
        )


def is_remote(text: str) -> bool:
    """True if kustomize would fetch a text that begins like this."""
    return _REMOTE.match(text) is not None


def _no_reference(_document: Document, _value: Any, _path: _Path) -> Iterator[FileReference]:
    return iter(())


def _refuse_helm(document: Document, _value: Any, path: _Path) -> Iterator[FileReference]:
    message = f"`{path[-1]}` runs Helm, which is not run here; commit the rendered chart instead"
    raise Rejected("HelmRefused", message, place=document.place(path))


def _path(use: ReferenceUse) -> FieldReader:
    def read(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
        text = _text(document, value, path)
        if text:
            yield FileReference(text, use, document.place(path))

    return read


def _file_source(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
    """Reads `path` or `key=path`. A text with more `=` is refused later for its characters."""
    text = _text(document, value, path)
    name = text.rpartition("=")[2] if text.count("=") == 1 else text
    yield FileReference(name, ReferenceUse.DATA, document.place(path))


def _check_inline(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
    """Checks text that kustomize parses as YAML as strictly as a file."""
    _parse_embedded(document, _text(document, value, path), path, yaml_reader.documents)
    return iter(())


def _patch_or_path(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
    text = _text(document, value, path)
    if _parse_objects(document, text, path, yaml_reader.documents) is None:
        yield FileReference(text, ReferenceUse.YAML, document.place(path))


def _plugin_or_path(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
    text = _text(document, value, path)
    found = _parse_objects(document, text, path, plugin_documents)
    if found is None:
        yield FileReference(text, ReferenceUse.PLUGIN, document.place(path))
        return
    for each in found:
        # Lines of inline text are counted from its own start, so the place is that of the entry.
        yield from _plugin(Document(document.file, each.value, (document.place(path).line or 1, None)))


def _parse_objects(document: Document, text: str, path: _Path, read: DocumentReader) -> tuple[Document, ...] | None:
    """The inline objects of an entry; None if the entry is a path.

    Like kustomize, tries to parse objects first, and reads anything else as a path or a URL. An ambiguous text
    (`https://host/x: y` is a mapping) counts as a path, and is refused later for its characters.
    """
    if not any(character in text for character in "\n{") or is_remote(text):
        return None
    found = _parse_embedded(document, text, path, read)
    objects = found and all(isinstance(each.value, dict) and isinstance(each.value.get("kind"), str) for each in found)
    return found if objects else None


def _parse_embedded(document: Document, text: str, path: _Path, read: DocumentReader) -> tuple[Document, ...]:
    try:
        return read(text.encode(), document.file, INLINE_LIMITS)
    except Rejected as error:
        line = error.place.line if error.place else None
        where = f" (line {line} of this text)" if line else ""
        message = f"`{'.'.join(map(str, path))}` {error.message}{where}"
        raise Rejected(error.reason, message, place=document.place(path)) from None


def _require_text(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
    """Requires a text that is not empty: for an empty `newTag` kustomize silently makes an image without a tag."""
    if not isinstance(value, str) or not value:
        message = f"`{'.'.join(map(str, path))}` must be text in quotes: kustomize drops it, or reads a number"
        raise _wrong(document, path, message)
    return iter(())


def _each(reader: FieldReader) -> FieldReader:
    def read(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
        if value is None:
            return
        if not isinstance(value, list):
            raise _wrong(document, path, f"`{path[-1]}` must be a list")
        for number, item in enumerate(value):
            yield from reader(document, item, (*path, number))

    return read


def _mapping(shape: _Shape) -> FieldReader:
    def read(document: Document, value: Any, path: _Path) -> Iterator[FileReference]:
        if value is None:
            return
        if not isinstance(value, dict):
            raise _wrong(document, path, f"`{'.'.join(map(str, path))}` must be a mapping")
        for name, item in value.items():
            reader = shape.get(name)
            if reader is None:
                raise _wrong(document, (*path, name), f"unknown field `{'.'.join(map(str, (*path, name)))[:200]}`")
            yield from reader(document, item, (*path, name))

    return read


def _text(document: Document, value: Any, path: _Path) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(document, path, f"`{'.'.join(map(str, path))}` must be text")
    return value


def _wrong(document: Document, path: _Path, message: str) -> Rejected:
    return Rejected("InvalidKustomization", message, place=document.place(path))


def _plain(*names: str) -> _Shape:
    return dict.fromkeys(names, _no_reference)


# Every field of every kind that a build reads, with its reader. A test compares the fields with kustomize's source.

GENERATOR: _Shape = {
    **_plain("namespace", "name", "behavior", "literals", "options", "type"),
    "files": _each(_file_source),
    "envs": _each(_path(ReferenceUse.DATA)),
    "env": _path(ReferenceUse.DATA),
}
PATCH: _Shape = {**_plain("target", "options"), "path": _path(ReferenceUse.YAML), "patch": _check_inline}
REPLACEMENT: _Shape = {**_plain("source", "targets", "sourceValue"), "path": _path(ReferenceUse.YAML)}

IMAGE: _Shape = {**_plain("name", "newName", "tagSuffix"), "newTag": _require_text, "digest": _require_text}

KUSTOMIZATION: _Shape = {
    **_plain("apiVersion", "kind", "metadata", "namePrefix", "nameSuffix", "namespace"),
    **_plain("commonLabels", "labels", "commonAnnotations", "replicas", "vars"),
    **_plain("sortOptions", "generatorOptions", "buildMetadata"),
    "images": _each(_mapping(IMAGE)),
    "imageTags": _each(_mapping(IMAGE)),
    "resources": _each(_path(ReferenceUse.RESOURCE)),
    "bases": _each(_path(ReferenceUse.RESOURCE)),
    "components": _each(_path(ReferenceUse.DIRECTORY)),
    "crds": _each(_path(ReferenceUse.YAML)),
    "configurations": _each(_path(ReferenceUse.YAML)),
    "openapi": _mapping({**_plain("version"), "path": _path(ReferenceUse.YAML)}),
    "patches": _each(_mapping(PATCH)),
    "patchesJson6902": _each(_mapping(PATCH)),
    "patchesStrategicMerge": _each(_patch_or_path),
    "replacements": _each(_mapping(REPLACEMENT)),
    "configMapGenerator": _each(_mapping(GENERATOR)),
    "secretGenerator": _each(_mapping(GENERATOR)),
    "generators": _each(_plugin_or_path),
    "transformers": _each(_plugin_or_path),
    "validators": _each(_plugin_or_path),
    "helmCharts": _refuse_helm,
    "helmGlobals": _refuse_helm,
    "helmChartInflationGenerator": _refuse_helm,
}

PLUGINS: Mapping[str, _Shape | None] = {
    "ConfigMapGenerator": GENERATOR,
    "SecretGenerator": GENERATOR,
    "PatchTransformer": PATCH,
    "PatchJson6902Transformer": {**_plain("target"), "path": _path(ReferenceUse.YAML), "jsonOp": _check_inline},
    "PatchStrategicMergeTransformer": {"paths": _each(_patch_or_path), "patches": _check_inline},
    "ReplacementTransformer": {"replacements": _each(_mapping(REPLACEMENT))},
    "ImageTagTransformer": {**_plain("fieldSpecs"), "imageTag": _mapping(IMAGE)},
    # These plugins load no file.
    "AnnotationsTransformer": None,
    "HashTransformer": None,
    "IAMPolicyGenerator": None,
    "LabelTransformer": None,
    "NamespaceTransformer": None,
    "PrefixSuffixTransformer": None,
    "PrefixTransformer": None,
    "ReplicaCountTransformer": None,
    "SuffixTransformer": None,
}
