"""The differences between two bodies of one object, leaf by leaf, without bookkeeping of the server and with masks."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gitops.core.objects import Body
from gitops.core.ownership import fields
from gitops.core.parsing import quantities
from gitops.core.sync import masking
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.masking import MASK

_BOOKKEEPING = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_LONGEST = 200
_CONTEXT = 40


def changes(before: Body | None, after: Body) -> tuple[FieldChange, ...]:
    """The changes from `before` (live) to `after` (the answer of a dry run), sorted by field path.

    Leaves out status and the server's bookkeeping. A list with merge keys is compared item by item; a new order of its
    items is one change (init containers run in order, env refers to earlier entries).
    """
    old, new = _without_bookkeeping(before or {}), _without_bookkeeping(after)
    mask = SecretMask(after)
    found = [mask.change(path, one, two) for path, one, two in _find_differences(old, new)]
    moved = [FieldChange(path, ", ".join(one), ", ".join(two)) for path, one, two in _find_moved(old, new)]
    return tuple(sorted([*found, *moved], key=lambda change: change.field))


def declared_changes(manifest_body: Body, live_body: Body) -> tuple[FieldChange, ...]:
    """Fields of a manifest that have another value in live (`new`) or do not exist there (None). Directly after an
    apply these are the work of a mutating admission webhook, which owns no field.

    Other spellings of a value are no difference: quantities, numbers as text, empty or null members, `stringData`.
    """
    live = dict(fields.leaves(_without_bookkeeping(live_body)))
    mask = SecretMask(manifest_body)
    return tuple(
        mask.change(path, declared, live.get(path, ABSENT))
        for path, declared in sorted(fields.leaves(_with_data(manifest_body)), key=lambda leaf: leaf[0])
        if not _is_same_value(path, declared, live)
    )


class _Absent:
    """The value of a field that does not exist. None is a value that a manifest may have."""


ABSENT = _Absent()


def _without_bookkeeping(body: Body) -> dict[str, Any]:
    visible = {name: part for name, part in body.items() if name != "status"}
    if isinstance(metadata := visible.get("metadata"), Mapping):
        visible["metadata"] = {name: part for name, part in metadata.items() if name not in _BOOKKEEPING}
    return visible


def _with_data(manifest_body: Body) -> dict[str, Any]:
    declared = _without_bookkeeping(manifest_body)
    if _is_secret(manifest_body) and (texts := declared.pop("stringData", None)):
        encoded = {name: base64.b64encode(str(text).encode()).decode() for name, text in texts.items()}
        declared["data"] = {**(declared.get("data") or {}), **encoded}
    return declared


def _find_differences(old: Body, new: Body) -> Iterator[tuple[str, Any, Any]]:
    one, two = dict(fields.leaves(old)), dict(fields.leaves(new))
    for path in one.keys() | two.keys():
        before, after = one.get(path, ABSENT), two.get(path, ABSENT)
        if not (_is_equal(before, after) or _has_members_in(path, before, two) or _has_members_in(path, after, one)):
            yield path, before, after


def _is_equal(one: Any, two: Any) -> bool:
    """Equality as in JSON: in Python True == 1."""
    return isinstance(one, bool) == isinstance(two, bool) and bool(one == two)


def _has_members_in(path: str, value: Any, other_side: Mapping[str, Any]) -> bool:
    """True for an empty mapping or list that has members on the other side: the members are the difference."""
    return _is_empty(value) and any(each.startswith(f"{path}/") for each in other_side)


def _is_empty(value: Any) -> bool:
    return isinstance(value, Mapping | list) and not value


def _find_moved(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, list[str], list[str]]]:
    """Finds lists with merge keys whose common items have another order."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in old.keys() & new.keys():
            yield from _find_moved(old[name], new[name], fields.child(path, str(name)))
    elif isinstance(old, list) and isinstance(new, list):
        one, two = fields.item_names(path, old), fields.item_names(path, new)
        if one is None or two is None:
            return
        if [name for name in one if name in two] != [name for name in two if name in one]:
            yield path, one, two
        news = dict(zip(two, new, strict=True))
        for name, item in zip(one, old, strict=True):
            yield from _find_moved(item, news.get(name), fields.child(path, name))


_QUANTITIES_BELOW = frozenset(
    {"limits", "requests", "hard", "capacity", "min", "max", "default", "defaultRequest", "overhead", "allocatable"}
)
_QUANTITY_NAMES = frozenset({"sizeLimit", "divisor", "averageValue", "maxLimitRequestRatio"})


def _is_same_value(path: str, declared: Any, live: Mapping[str, Any]) -> bool:
    if path not in live:
        # The API leaves out most members that hold the zero of their type (Go's omitempty).
        return not declared or _has_members_in(path, declared, live)
    found = live[path]
    if _is_equal(declared, found):
        return True
    if isinstance(declared, bool) or isinstance(found, bool):
        return False
    if is_quantity(path):
        one, two = quantities.parse(str(declared)), quantities.parse(str(found))
        return one is not None and one == two
    return isinstance(declared, int | str) and isinstance(found, int | str) and str(declared) == str(found)


def is_quantity(path: str) -> bool:
    """True if the field at `path` is a Kubernetes quantity."""
    above, _, name = path.rpartition("/")
    in_data = path.startswith(("/data/", "/metadata/")) or above.rpartition("/")[0].endswith("/env")
    return not in_data and (name in _QUANTITY_NAMES or above.rpartition("/")[2] in _QUANTITIES_BELOW)


_SECRET_PARTS = ("/data", "/stringData", "/binaryData")
_LAST_APPLIED = fields.child("/metadata/annotations", "kubectl.kubernetes.io/last-applied-configuration")
_SECRET_NAME = re.compile(
    r"/(?:secretName|(?:secret|secretRef|secretKeyRef|nodePublishSecretRef|imagePullSecrets/\d+)/name)$"
)
_HASH_SUFFIX = re.compile(r"-[bcdfghkmt2456789]{10}$")
"""The hash that kustomize appends to generated names. The hash of a Secret would let a reader verify a guess.

https://github.com/kubernetes-sigs/kustomize/blob/master/api/hasher/hasher.go
"""


def _is_secret(body: Body) -> bool:
    return body.get("kind") == "Secret" and body.get("apiVersion") == "v1"


class SecretMask:
    """Turns leaves of one object into text for people, with masks. ABSENT: the field does not exist on that side."""

    def __init__(self, body: Body) -> None:
        self._secret = _is_secret(body)

    def change(self, path: str, old: Any, new: Any) -> FieldChange:
        if self._hides(path) or (masking.is_credential(path) and any(isinstance(each, str) for each in (old, new))):
            return FieldChange(path, *(None if value is ABSENT else MASK for value in (old, new)))
        one, two = self._text(path, old), self._text(path, new)
        start = max(0, _common_length(one or "", two or "") - _CONTEXT)
        return FieldChange(path, _shorten(one, start), _shorten(two, start))

    def _hides(self, path: str) -> bool:
        return path == _LAST_APPLIED or (self._secret and any(fields.covers(part, path) for part in _SECRET_PARTS))

    def _text(self, path: str, value: Any) -> str | None:
        if value is ABSENT:
            return None
        if not isinstance(value, str):
            return masking.without_credentials(json.dumps(value, default=str))
        names_secret = _SECRET_NAME.search(path) or (self._secret and path == "/metadata/name")
        return _HASH_SUFFIX.sub("-…", value) if names_secret else masking.without_credentials(value)


def _common_length(one: str, two: str) -> int:
    """The length of the common prefix."""
    pairs = zip(one, two, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(two)))


def _shorten(text: str | None, start: int) -> str | None:
    """At most 200 characters of a long text, beginning shortly before the first difference."""
    if text is None or len(text) <= _LONGEST:
        return text
    window = _LONGEST - 2
    start = min(start, len(text) - window)
    head, tail = "…" if start else "", "…" if start + window < len(text) else ""
    return f"{head}{text[start : start + window]}{tail}"
