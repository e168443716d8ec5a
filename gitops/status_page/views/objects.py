"""The objects of an overlay: sync, health, fields in the last plan, drift. Values of Secrets are masked. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

from gitops.core.health import Health
from gitops.core.objects import Key
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.status import Action, Drift, ObjectStatus, Sync
from gitops.status_page.safe_text import LONG, MASK, clean

_MOST_CHANGES = 30
_LONGEST_VALUE = 200
_SECRET_KINDS = {("", "Secret")}
# The suffix that kustomize appends to generated names (api/hasher). For a Secret it is a hash over the secret values.
_HASH_SUFFIX = re.compile(r"-[2456789bcdfghkmt]{10}$")


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One field before and after; None means absent."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class DriftView:
    object: str
    field: str
    manager: str
    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object. `changes` are the fields that the last plan set or would set; `hidden` counts those left out."""

    group: str
    kind: str
    namespace: str
    name: str
    sync: Sync
    health: Health
    message: str
    action: Action
    changes: tuple[ChangeView, ...]
    hidden: int
    drift: tuple[DriftView, ...]
    is_drifted: bool

    @property
    def settled(self) -> bool:
        return self.sync is Sync.SYNCED and self.health is Health.HEALTHY and not self.is_drifted


def show_object(status: ObjectStatus) -> ObjectView:
    key, name = status.key, show_name(status.key)
    return ObjectView(
        group=clean(key.group),
        kind=clean(key.kind),
        namespace=clean(key.namespace),
        name=name,
        sync=status.sync,
        health=status.health,
        message=clean(status.message, LONG),
        action=status.action,
        changes=tuple(_show_change(change, key) for change in status.changes[:_MOST_CHANGES]),
        hidden=max(0, len(status.changes) - _MOST_CHANGES),
        drift=tuple(_show_drift(f"{clean(key.kind)} {name}", drift) for drift in status.drift[:_MOST_CHANGES]),
        is_drifted=status.is_drifted,
    )


def show_name(key: Key) -> str:
    """The object's name. For a Secret, the hash that kustomize appended is left out."""
    return clean(_HASH_SUFFIX.sub("-…", key.name) if is_secret(key) else key.name)


def show_value(value: str | None, *, secret: bool) -> str | None:
    """A field's value, None if absent. Secrets are masked upstream already; this masks them once more before
    publication.
    """
    return value if value is None else MASK if secret else clean(value, _LONGEST_VALUE)


def is_secret(key: Key) -> bool:
    return (key.group, key.kind) in _SECRET_KINDS


def urgency(shown: ObjectView) -> tuple[bool, int, bool, str, str, str]:
    """A sort key: the most urgent object first, then by kind and name."""
    return (shown.settled, -shown.health, shown.sync is Sync.SYNCED, shown.kind, shown.namespace, shown.name)


def _show_change(change: FieldChange, key: Key) -> ChangeView:
    secret = is_secret(key)
    return ChangeView(clean(change.field), show_value(change.old, secret=secret), show_value(change.new, secret=secret))


def _show_drift(name: str, drift: Drift) -> DriftView:
    return DriftView(name, clean(drift.field), clean(drift.manager), clean(drift.kind), drift.at)
