"""Which names kustomize made: those that end in the hash of what the object holds.

The hash is computed anew, so nobody passes a name off as generated: an object whose name ends in its own hash is
addressed by its content either way. https://github.com/kubernetes-sigs/kustomize/blob/master/api/internal/hasher/hasher.go
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


def bare_name(body: Body) -> str:
    """The object's name without the hash that a generator gave it."""
    name = str(body["metadata"]["name"])
    found = _SUFFIX.search(name)
    if found is None or "/" in str(body["apiVersion"]) or body["kind"] not in {"ConfigMap", "Secret"}:
        return name
    hashes = {_hash(_content(body, strings=strings)) for strings in (False, True)}
    return name[: found.start()] if found[1] in hashes else name


def _content(body: Body, *, strings: bool) -> Mapping[str, Any]:
    """What kustomize hashes. Its look-up of the name finds nothing, so that is always empty."""
    content = {"kind": body["kind"], "name": "", "data": body.get("data") or ""}
    if body["kind"] == "ConfigMap":
        return content | ({"binaryData": body["binaryData"]} if body.get("binaryData") else {})
    content["type"] = body.get("type") or ""
    if strings and isinstance(content["data"], Mapping):
        content["stringData"] = {key: _decoded(value) for key, value in content["data"].items()}
        content["data"] = ""
    return content


def _decoded(value: Any) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except ValueError:
        return str(value)


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(_LETTERS)
