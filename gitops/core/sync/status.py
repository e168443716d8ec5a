"""The status of an overlay after a pass. It is computed once, at the end, from results. It is no input of a pass.

`SyncStatus` is the current status with its objects, `Record` one line of the history. The ledger has both as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gitops.core.health import Health
from gitops.core.images.reference import Image
from gitops.core.objects import Key
from gitops.core.parsing.json_records import JsonRecord
from gitops.core.revision import Revision
from gitops.core.sync.field_change import FieldChange


class Sync(StrEnum):
    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class Action(StrEnum):
    """The action of a pass on an object, in the words of Flux (fluxcd/pkg ssa/changeset.go)."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    PRUNED = "pruned"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Drift:
    """A field that differs from git though the revision did not change, and the manager that wrote it.

    `kind`: `changed`, a field of ours was changed; `healed`, Lockstep wrote it back; `deleted`, the whole object was
    deleted; `foreign`, another manager added the field. `manager` is empty if it is unknown: a removed field has no
    owner. Values are never kept.
    """

    field: str
    manager: str
    kind: str
    at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.kind != "healed"


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    key: Key
    sync: Sync
    health: Health
    message: str = ""
    action: Action = Action.UNCHANGED
    changes: tuple[FieldChange, ...] = ()
    drift: tuple[Drift, ...] = ()

    @property
    def is_drifted(self) -> bool:
        return any(drift.is_open for drift in self.drift)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as in Kubernetes. `type`: Ready, Reconciling, Stalled or Pullable. `since`: the last transition."""

    type: str
    status: bool
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Revisions:
    """The four revisions of an overlay. None = none yet."""

    observed: Revision | None = None
    rendered: Revision | None = None
    applied: Revision | None = None
    healthy: Revision | None = None


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A promotion request that is not carried out yet. `release`: the hash that approvals name. `moves` and `gates`:
    sentences about what it would change, and which gates are shut. `asked_by`: the signer; without a signature the
    tagger. `waived`: the gates that it skips, each with the reason.
    """

    name: str
    id: str
    release: str
    moves: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    asked_by: str = ""
    asked_at: datetime | None = None
    is_signed: bool = False
    waived: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PendingNote:
    """Promotions to an overlay that are pending: sentences, and the requests of people."""

    waiting: tuple[str, ...] = ()
    requests: tuple[PendingRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The status of one overlay at `at` (aware, UTC). `took`: seconds for each step of the last pass that changed
    something. `waiting`: sentences about newer releases and why they are not here yet. `warnings`: violations of the
    contract that do not stop the overlay. `waived`: the waivers of its release, each with the reason.
    """

    overlay: str
    environment: str
    sync: Sync
    health: Health
    at: datetime
    revisions: Revisions = field(default_factory=Revisions)
    conditions: tuple[Condition, ...] = ()
    images: dict[str, Image] = field(default_factory=dict)
    objects: tuple[ObjectStatus, ...] = ()
    took: dict[str, float] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    requests: tuple[PendingRequest, ...] = ()
    waived: tuple[str, ...] = ()

    def condition(self, type_: str) -> Condition | None:
        return next((found for found in self.conditions if found.type == type_), None)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of an overlay's history, written when sync, health, revision or reason change. `waived`: the waivers of
    the release at that time.
    """

    at: datetime
    revision: Revision | None
    sync: Sync
    health: Health
    reason: str
    message: str
    actions: dict[str, int] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    waived: tuple[str, ...] = ()


Account = tuple[SyncStatus, Sequence[Record]]
"""The status of an overlay, and its history, newest first."""

STATUS_JSON: JsonRecord[SyncStatus] = JsonRecord(SyncStatus)
HISTORY_JSON: JsonRecord[tuple[Record, ...]] = JsonRecord(tuple[Record, ...])
