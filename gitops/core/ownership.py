"""Who owns which field of a live object, read from metadata.managedFields (server-side apply).

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from dataclasses import dataclass
from datetime import datetime

from gitops.core.health import Health
from gitops.core.objects import Key


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """One field path (JSON-pointer-like, list items by merge key) and who wrote it when."""

    field: str
    manager: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass needs to know of one live object, reduced from a watch event; the body is not kept.

    `fingerprint`: hash of our own Apply entry in managedFields, empty when we have none.
    `part_of`: the applyset part-of label; `owner`: another GitOps tool's mark, e.g. `Argo CD (tracking-id ...)`.
    `foreign`: fields that others added inside the parts that decide behaviour (spec.template, data, rules ...).
    `replicas`: the live spec.replicas while our entry owns that field, else None.
    """

    key: Key
    uid: str
    resource_version: str
    generation: int = 0
    part_of: str = ""
    fingerprint: str = ""
    owner: str = ""
    foreign: tuple[FieldOwner, ...] = ()
    last_writers: tuple[FieldOwner, ...] = ()
    health: Health = Health.HEALTHY
    message: str = ""
    replicas: int | None = None
    deleting: bool = False
