"""Recognizes names that kustomize generated: those that end in a hash of the object's content.

The hash is computed again and compared, so a name written by hand does not pass as generated. An object whose name ends
in its own hash is addressed by its content, even if a person wrote the name.
https://github.com/kubernetes-sigs/kustomize/blob/master/api/internal/hasher/hasher.go
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from gitops.core.objects import Body

_SUFFIX = re.compile(r"-([bcdfghkmt2456789]{10})\Z")
_LETTERS = str.maketrans("013ae", "ghkmt")
# Go's encoding/json writes these escaped.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def strip_generated_hash(body: Body) -> str:
    """The object's name without the hash that a generator appended; the whole name if it has none."""
    name = str(body["metadata"]["name"])
    found = _SUFFIX.search(name)
    if found is None or "/" in str(body["apiVersion"]) or body["kind"] not in {"ConfigMap", "Secret"}:
        return name
    hashes = {_hash(_content_to_hash(body, strings=strings)) for strings in (False, True)}
    return name[: found.start()] if found[1] in hashes else name


def _content_to_hash(body: Body, *, strings: bool) -> Mapping[str, Any]:
    """The content that kustomize hashes. `name` is always empty: kustomize's look-up of it finds nothing."""
    content = {"kind": body["kind"], "name": "", "data": body.get("data") or ""}
    if body["kind"] == "ConfigMap":
        return content | ({"binaryData": body["binaryData"]} if body.get("binaryData") else {})
    content["type"] = body.get("type") or ""
    if strings and isinstance(content["data"], Mapping):
        content["stringData"] = {key: _decode(value) for key, value in content["data"].items()}
        content["data"] = ""
    return content


def _decode(value: Any) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except ValueError:
        return str(value)


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(_LETTERS)
