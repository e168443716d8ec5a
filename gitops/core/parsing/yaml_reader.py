"""Reads untrusted YAML: bounded in size, without code execution, and with the line of every key.

Plain scalars have the types that kubectl and kustomize give them (YAML 1.1 booleans, Go's integers, no timestamps, no
base-60 numbers, no `=` tag): https://github.com/yaml/go-yaml/blob/v2.4.3/resolve.go. Mapping keys stay strings.
Documents are built from parser events: PyYAML's C composer recurses without a bound, so deep input crashes the
process.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from gitops.core.errors import Place, Rejected
from gitops.core.parsing.yaml_scalars import resolve


class ValueReader(Protocol):
    """Gives a plain scalar its value. Raises: ValueError for a scalar that it refuses."""

    def __call__(self, text: str, /) -> Any: ...


Lines = tuple[int, Mapping[str | int, Any] | None]
"""The line of a key or list item, counted from 1, and the Lines of its children."""


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """Most bytes, documents, levels and nodes. `nodes`: scalars and collections, with every alias expanded."""

    size: int = 1 << 20
    documents: int = 1
    depth: int = 64
    nodes: int = 100_000


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document. `value` is made of dict, list, str, int, float, bool and None."""

    file: str
    value: Any
    lines: Lines

    def place(self, path: Iterable[str | int] = ()) -> Place:
        """The place of the deepest existing part of `path`. Segments that do not exist are skipped."""
        line, below = self.lines
        for segment in path:
            if below is not None and segment in below:
                line, below = below[segment]
        return Place(self.file, line)


def document(data: bytes, file: str, limits: YamlLimits | None = None) -> Document:
    """Parses a file that must hold exactly one document.

    Raises: Rejected(InvalidYaml) also for no document or more than one; Rejected(LimitExceeded).
    """
    found = documents(data, file, limits or YamlLimits())
    if len(found) != 1:
        raise Rejected("InvalidYaml", "has no YAML document, expected one", place=Place(file))
    return found[0]


def documents(data: bytes, file: str, limits: YamlLimits, resolver: ValueReader = resolve) -> tuple[Document, ...]:
    """Parses all documents of a file, without the empty ones. `resolver` gives plain scalars their values.

    Raises: Rejected(InvalidYaml) for syntax, unknown tags, duplicate or complex keys, loops and numbers that JSON does
    not have; Rejected(LimitExceeded) past `limits`. Both name file and line, and quote no value.
    """
    if len(data) > limits.size:
        raise Rejected("LimitExceeded", f"has {len(data)} bytes; the limit is {limits.size}", place=Place(file))
    text = _decode(data, file)
    _require_true_separators(text, file)
    builder = _Builder(file, limits, resolver)
    for event in _parse_events(text, file):
        builder.take(event)
    return tuple(builder.found)


_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({_TAG + name for name in ("null", "bool", "int", "float")})
_TEXT_TAGS = frozenset({"!", *(_TAG + name for name in ("str", "timestamp"))})
"""Without `!!binary`: Go decodes its text, so Go and this reader would have different values."""
_TIMESTAMP = _TAG + "timestamp"
_KEY_TAGS = frozenset({None, "!", _TAG + "str", _TAG + "merge"})
_MERGE = "<<"
_FALSE_SEPARATOR = re.compile(r"(?:^|\n)---(?![ \t\r\n\x85\u2028\u2029]|$)")


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Rejected("InvalidYaml", "is not UTF-8 text", place=Place(file, line)) from error


def _require_true_separators(text: str, file: str) -> None:
    """Refuses `---` without white space behind it: kustomize begins a new document there, YAML does not.

    https://github.com/kubernetes-sigs/kustomize/blob/kyaml/v0.21.1/kyaml/kio/byteio_reader.go
    """
    found = _FALSE_SEPARATOR.search(text)
    if found is not None:
        line = text.count("\n", 0, found.end()) + 1
        message = (
            "begins with `---` and has more text behind it: kustomize reads a new document there. Indent or quote it"
        )
        raise Rejected("InvalidYaml", message, place=Place(file, line))


def _parse_events(text: str, file: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
            if isinstance(event, yaml.StreamEndEvent):
                return
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1 if mark else None)
        raise Rejected("InvalidYaml", f"is not YAML: {error.problem or error.context}", place=place) from None
    except yaml.YAMLError:
        raise Rejected("InvalidYaml", "has characters that YAML does not allow", place=Place(file)) from None
    finally:
        loader.dispose()


class _Collection:
    """A mapping or sequence that is not closed yet. `count`: its nodes so far, including itself."""

    __slots__ = ("anchor", "count", "key", "line", "lines", "merged", "value")

    def __init__(self, *, value: dict[str, Any] | list[Any], line: int, anchor: str | None) -> None:
        self.value = value
        self.line = line
        self.anchor = anchor
        self.lines: dict[str | int, Lines] = {}
        self.key: tuple[str, int] | None = None
        self.merged: list[dict[str, Any]] = []
        self.count = 1


_Finished = tuple[Any, Mapping[str | int, Any] | None, int]
"""Value, lines of its children, and number of nodes with aliases expanded."""


class _Builder:
    """Builds Documents from parser events."""

    def __init__(self, file: str, limits: YamlLimits, resolver: ValueReader) -> None:
        self._resolve = resolver
        self.found: list[Document] = []
        self._file = file
        self._limits = limits
        self._open: list[_Collection] = []
        self._anchors: dict[str, _Finished | None] = {}
        self._take = {
            yaml.ScalarEvent: self._add_scalar,
            yaml.MappingStartEvent: self._start_mapping,
            yaml.SequenceStartEvent: self._start_sequence,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._add_alias,
            yaml.DocumentStartEvent: self._start_document,
        }

    def take(self, event: Any) -> None:
        action = self._take.get(type(event))
        if action is not None:
            action(event)

    def _start_document(self, _event: Any) -> None:
        self._anchors = {}

    def _add_scalar(self, event: Any) -> None:
        line = event.start_mark.line + 1
        top = self._open[-1] if self._open else None
        if top is not None and top.key is None and type(top.value) is dict:
            self._set_key(top, event, line)
            return
        finished = (self._scalar_value(event, line), None, 1)
        if event.anchor:
            self._anchors[event.anchor] = finished
        self._add(finished, line)

    def _set_key(self, top: _Collection, event: Any, line: int) -> None:
        if event.tag not in _KEY_TAGS:
            raise self._invalid(f"the tag `{event.tag[:100]}` is not supported", line)
        if event.value in top.value:
            raise self._invalid(f"duplicate key `{event.value[:100]}`", line)
        if event.anchor:
            self._anchors[event.anchor] = (event.value, None, 1)
        top.key = (_MERGE if event.value == _MERGE and event.implicit[0] else event.value, line)

    def _scalar_value(self, event: Any, line: int) -> Any:
        if event.tag is None or event.tag in _PLAIN_TAGS:
            value = self._resolve_plain(event, line) if event.implicit[0] or event.tag else event.value
            if event.tag and isinstance(value, str):
                raise self._invalid(f"the value does not fit its tag `{event.tag[:100]}`", line)
        elif event.tag in _TEXT_TAGS:
            value = event.value
            if event.tag == _TIMESTAMP:
                self._resolve_plain(event, line)  # the resolver of plugin configs refuses dates
        else:
            raise self._invalid(f"the tag `{event.tag[:100]}` is not supported", line)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._invalid("NaN and infinity do not exist in JSON", line)
        return value

    def _resolve_plain(self, event: Any, line: int) -> Any:
        try:
            return self._resolve(event.value)
        except ValueError as error:
            raise self._invalid(str(error), line) from None

    def _start_mapping(self, event: Any) -> None:
        self._open_collection(event, {}, "map")

    def _start_sequence(self, event: Any) -> None:
        self._open_collection(event, [], "seq")

    def _open_collection(self, event: Any, value: dict[str, Any] | list[Any], kind: str) -> None:
        line = event.start_mark.line + 1
        if len(self._open) >= self._limits.depth:
            raise self._over_limit(f"is nested deeper than {self._limits.depth} levels", line)
        if event.tag not in {None, "!", _TAG + kind}:
            raise self._invalid(f"the tag `{event.tag[:100]}` is not supported", line)
        self._require_simple_key(line)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Collection(value=value, line=line, anchor=event.anchor))

    def _require_simple_key(self, line: int) -> None:
        if self._open and self._open[-1].key is None and type(self._open[-1].value) is dict:
            raise self._invalid("a key must be a scalar, not a mapping or list", line)

    def _close(self, _event: Any) -> None:
        done = self._open.pop()
        if isinstance(done.value, dict):
            for merged in done.merged:
                done.value.update({key: value for key, value in merged.items() if key not in done.value})
        finished = (done.value, done.lines, done.count)
        if done.anchor:
            self._anchors[done.anchor] = finished
        self._add(finished, done.line)

    def _add_alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        self._require_simple_key(line)
        finished = self._anchors.get(event.anchor)
        if finished is None:
            inside = event.anchor in self._anchors
            raise self._invalid(
                f"the alias *{event.anchor[:100]} {'contains itself' if inside else 'has no anchor'}", line
            )
        self._add(finished, line)

    def _add(self, finished: _Finished, line: int) -> None:
        value, below, count = finished
        if not self._open:
            self._finish_document(value, (line, below))
            return
        top = self._open[-1]
        top.count += count
        if top.count > self._limits.nodes:
            raise self._over_limit(f"has more than {self._limits.nodes} values once its aliases are expanded", line)
        if isinstance(top.value, list):
            top.lines[len(top.value)] = (line, below)
            top.value.append(value)
        elif top.key is not None:
            self._add_entry(top, value, below)

    def _add_entry(self, top: _Collection, value: Any, below: Mapping[str | int, Any] | None) -> None:
        key, line = top.key or ("", 0)
        top.key = None
        if key != _MERGE or not isinstance(top.value, dict):
            top.value[key] = value  # type: ignore[call-overload]
            top.lines[key] = (line, below)
            return
        parts: Sequence[Any] = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise self._invalid("`<<` needs a mapping, or a list of mappings", line)
        top.merged.extend(parts)

    def _finish_document(self, value: Any, lines: Lines) -> None:
        if value is None:
            return
        if len(self.found) >= self._limits.documents:
            more = "another YAML document starts here, expected one"
            raise self._over_limit(
                more if self._limits.documents == 1 else f"has more than {self._limits.documents} YAML documents",
                lines[0],
            )
        self.found.append(Document(self._file, value, lines))

    def _invalid(self, message: str, line: int) -> Rejected:
        return Rejected("InvalidYaml", message, place=Place(self._file, line))

    def _over_limit(self, message: str, line: int) -> Rejected:
        return Rejected("LimitExceeded", message, place=Place(self._file, line))
