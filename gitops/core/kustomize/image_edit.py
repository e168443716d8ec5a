"""Reads and edits the `images` of a kustomization. Every other byte of the file stays the same.

An edit replaces only the characters of a scalar: comments, quotes, order and line ends stay. A missing key or entry is
inserted with the indentation of its neighbours. Then the file is parsed again, and the edit is refused if any other
value differs.
https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.errors import Place, Rejected
from gitops.core.images.reference import Image, is_digest, is_tag
from gitops.core.parsing import yaml_reader

_BOM = "\ufeff"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KNOWN = frozenset({"name", "newName", "newTag", "digest", "tagSuffix"})
# YAML 1.1 and 1.2 both read these as strings: a word, or a number with two dots.
_PLAIN = re.compile(r"sha256:[0-9a-f]{64}|v?\d+\.\d+\.\d+(?:[.-][A-Za-z0-9.-]*)?|[A-Za-z][A-Za-z0-9.-]*")
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"})


@dataclass(frozen=True, slots=True)
class _File:
    """A parsed file: `text` without its byte order mark, `value` as Python values, `root` as nodes with marks."""

    name: str
    text: str
    value: dict[str, Any]
    root: MappingNode

    @property
    def newline(self) -> str:
        end = self.text.find("\n")
        return "\r\n" if end > 0 and self.text[end - 1] == "\r" else "\n"

    def place(self, node: Node | None = None) -> Place:
        return Place(self.name, None if node is None else node.start_mark.line + 1)


@dataclass(frozen=True, slots=True)
class _Edit:
    """Replaces the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def images(text: bytes, file: str) -> tuple[Image, ...]:
    """The entries of `images`, in their order, with the name that is deployed (`newName`, if any).

    Raises: Rejected with file and line, for a file that is no kustomization and for a tag or digest that kustomize
    would refuse or misread: `newTag: 1.10` without quotes, `newTag: null`, a digest that is no sha256.
    """
    parsed = _parse(text, file)
    return tuple(_image(parsed, entry, node) for entry, node in _entries(parsed))


def by_service(found: Iterable[Image], declared: Pipeline) -> dict[str, Image]:
    """Service -> its image. Leaves out images of no service."""
    services = {service.image: name for name, service in declared.services.items()}
    return {services[image.name]: image for image in found if image.name in services}


def set_image(text: bytes, image: Image, file: str) -> bytes:
    """Sets tag and digest of one image. Returns identical bytes if they are set already.

    Edits the last entry of several for the image, because kustomize uses the last one.

    Raises: Rejected with file and line if the file cannot be edited safely; the message says what to change by hand.
    """
    if image.tag is None or image.digest is None:
        raise ValueError("an image needs a tag and a digest")
    parsed = _parse(text, file)
    position = _position(parsed, image.name)
    edits = _insert_entry(parsed, image) if position is None else _edit_entry(parsed, position, image)
    edited = _apply(parsed.text, edits)
    if edited == parsed.text:
        return text
    result = ((_BOM if text.startswith(_BOM.encode()) else "") + edited).encode()
    _require_only(parsed, position, image, result)
    return result


@lru_cache(maxsize=64)
def _parse(data: bytes, file: str) -> _File:
    document = yaml_reader.document(data, file)
    if not isinstance(document.value, dict):
        raise Rejected("NotAKustomization", "is no kustomization: a mapping was expected", place=Place(file, 1))
    text = data.decode().removeprefix(_BOM)
    if "&" in text or "*" in text:
        _refuse_anchors(text, file)
    root = yaml.compose(text, Loader=_LOADER)
    if not isinstance(root, MappingNode):  # pragma: no cover - both readers agree on mappings
        raise Rejected("NotAKustomization", "is no kustomization: a mapping was expected", place=Place(file, 1))
    return _File(file, text, document.value, root)


def _refuse_anchors(text: str, file: str) -> None:
    for event in yaml.parse(text, Loader=_LOADER):
        if event.start_mark is not None and getattr(event, "anchor", None) is not None:
            place = Place(file, event.start_mark.line + 1)
            raise Rejected(
                "AnchorInOverlay", "a file with YAML anchors is not edited: write the value out", place=place
            )


def _entries(parsed: _File) -> list[tuple[dict[str, Any], MappingNode]]:
    """The items of `images` with their nodes. Raises: Rejected if the section is no list of entries."""
    value = parsed.value.get("images")
    if value is None:
        return []
    node = _field(parsed.root, "images")[1]
    if not isinstance(value, list) or not isinstance(node, SequenceNode):
        raise Rejected("InvalidImages", "`images` must be a list of entries", place=parsed.place(node))
    return [_entry(parsed, item, found) for item, found in zip(value, node.value, strict=True)]


def _entry(parsed: _File, value: Any, node: Node) -> tuple[dict[str, Any], MappingNode]:
    place = parsed.place(node)
    if not isinstance(value, dict) or not isinstance(node, MappingNode):
        raise Rejected("InvalidImages", "an entry of `images` must be a mapping with a `name`", place=place)
    if not isinstance(value.get("name"), str) or not isinstance(value.get("newName", ""), str):
        raise Rejected("InvalidImages", "an entry of `images` needs a `name`, and names are strings", place=place)
    unknown = set(value) - _KNOWN
    if unknown:
        raise Rejected("InvalidImages", f"`{min(unknown)}` is no field of an entry of `images`", place=place)
    if "tagSuffix" in value:
        raise Rejected("InvalidImages", "`tagSuffix` is not supported: write the suffix into newTag", place=place)
    return value, node


def _image(parsed: _File, entry: dict[str, Any], node: MappingNode) -> Image:
    for key, is_valid, example in (("newTag", is_tag, '"1.4.2"'), ("digest", is_digest, "sha256:<64 hex digits>")):
        if key in entry and not (isinstance(entry[key], str) and is_valid(entry[key])):
            wrong = "is empty" if entry[key] is None else "is not a string: quote it"
            why = "is not valid" if isinstance(entry[key], str) else wrong
            raise Rejected("InvalidImages", f"`{key}` {why} (like {example})", place=parsed.place(_field(node, key)[1]))
    return Image(entry.get("newName") or entry["name"], entry.get("newTag"), entry.get("digest"))


def _position(parsed: _File, name: str) -> int | None:
    found = None
    for position, (entry, node) in enumerate(_entries(parsed)):
        deployed = entry.get("newName") or entry["name"]
        if deployed == name:
            found = position
        elif entry["name"] == name:
            message = f"this entry deploys {deployed} instead of {name}: declare that name as the service's image"
            raise Rejected("ImageRenamed", message, place=parsed.place(node))
    return found


def _edit_entry(parsed: _File, position: int, image: Image) -> list[_Edit]:
    entry, node = _entries(parsed)[position]
    edits = []
    behind = _field(node, "newName" if entry.get("newName") is not None else "name")[1]
    for key, wanted in (("newTag", image.tag or ""), ("digest", image.digest or "")):
        if key in entry:
            behind = _field(node, key)[1]
            if entry[key] != wanted:
                edits.append(_replace(parsed, behind, wanted))
        else:
            edits.append(_insert_key(parsed, node, behind, f'{key}: "{wanted}"'))
    return edits


def _replace(parsed: _File, node: Node, wanted: str) -> _Edit:
    start, end = node.start_mark.index, node.end_mark.index
    if not isinstance(node, ScalarNode) or node.style in {"|", ">"} or "\n" in parsed.text[start:end]:
        raise Rejected("UnusualScalar", "write this value on one line, in quotes", place=parsed.place(node))
    if start == end:
        return _Edit(start, end, f' "{wanted}"')
    return _Edit(start, end, _quote(wanted, node.style))


def _quote(text: str, style: str | None) -> str:
    if style in {"'", '"'}:
        return f"{style}{text}{style}"
    return text if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED else f'"{text}"'


def _insert_key(parsed: _File, entry: MappingNode, behind: Node, line: str) -> _Edit:
    if entry.flow_style:
        return _Edit(behind.end_mark.index, behind.end_mark.index, f", {line}")
    column = entry.value[0][0].start_mark.column
    end = _line_end(parsed.text, _last_character(parsed, behind))
    return _Edit(end, end, f"{parsed.newline}{' ' * column}{line}")


def _insert_entry(parsed: _File, image: Image) -> list[_Edit]:
    fields = [f"name: {image.name}", f'newTag: "{image.tag}"', f'digest: "{image.digest}"']
    flow = "{" + ", ".join([f'name: "{image.name}"', *fields[1:]]) + "}"
    if "images" not in parsed.value:
        return [_insert_section(parsed, fields, flow)]
    key, section = _field(parsed.root, "images")
    if not isinstance(section, SequenceNode) or not section.value:
        colon = parsed.text.index(":", key.end_mark.index) + 1
        end = max(colon, section.end_mark.index) if _has_text(section) else colon
        if parsed.root.flow_style:
            return [_Edit(colon, end, f" [{flow}]")]
        block = _block(parsed, fields, column=parsed.root.start_mark.column, gap=1)
        return [_Edit(colon, end, block)]
    last = section.value[-1]
    end = _last_character(parsed, last)
    if section.flow_style:
        return [_Edit(end, end, f", {flow}")]
    end = _line_end(parsed.text, end)
    column = section.start_mark.column
    first = section.value[0].start_mark
    gap = first.column - column - 1 if first.line == section.start_mark.line else 1
    return [_Edit(end, end, _block(parsed, fields, column=column, gap=gap))]


def _insert_section(parsed: _File, fields: Sequence[str], flow: str) -> _Edit:
    text, root = parsed.text, parsed.root
    if root.flow_style:
        if not root.value:
            raise Rejected("NotAKustomization", "is an empty kustomization", place=parsed.place(root))
        end = _last_character(parsed, root.value[-1][1])
        return _Edit(end, end, f", images: [{flow}]")
    column = root.start_mark.column
    before = "" if text.endswith("\n") else parsed.newline
    block = _block(parsed, fields, column=column, gap=1)
    return _Edit(len(text), len(text), f"{before}{' ' * column}images:{block}{parsed.newline}")


def _block(parsed: _File, fields: Sequence[str], *, column: int, gap: int) -> str:
    first = f"{parsed.newline}{' ' * column}-{' ' * gap}"
    rest = f"{parsed.newline}{' ' * (column + 1 + gap)}"
    return first + rest.join(fields)


def _has_text(node: Node) -> bool:
    return bool(node.end_mark.index > node.start_mark.index)


def _last_character(parsed: _File, node: Node) -> int:
    """The end of a node's text. The end mark of a block collection lies behind the comments that follow it."""
    while isinstance(node, CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        raise Rejected("UnusualScalar", "write this value on one line, in quotes", place=parsed.place(node))
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    if end < 0:
        return len(text)
    return end - 1 if end > index and text[end - 1] == "\r" else end


def _field(node: MappingNode, key: str) -> tuple[Node, Node]:
    for name, value in node.value:
        if name.value == key:
            return name, value
    raise KeyError(key)


def _apply(text: str, edits: Sequence[_Edit]) -> str:
    # From the back, so that earlier positions stay valid. Two edits at one position keep their order.
    for edit in reversed(edits):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _require_only(parsed: _File, position: int | None, image: Image, result: bytes) -> None:
    fields = {"newTag": image.tag, "digest": image.digest}
    section = list(parsed.value.get("images") or [])
    if position is None:
        section.append({"name": image.name, **fields})
    else:
        section[position] = {**section[position], **fields}
    try:
        changed = _parse(result, parsed.name).value
    except Rejected:
        changed = {}
    # JSON, because in Python 1 == True == 1.0.
    if json.dumps(changed, sort_keys=True) != json.dumps({**parsed.value, "images": section}, sort_keys=True):
        message = f"the image of {image.name} cannot be set without changes to other values: set it once by hand"
        raise Rejected("UneditableOverlay", message, place=parsed.place())
