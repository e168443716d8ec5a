"""What is known about an overlay after a pass: computed once, at the end, from results. Never an input of a pass.

`SyncStatus` is the current state with its objects, `Record` one line of the history. Both live in the ledger as JSON.
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


class Sync(StrEnum):
    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class Action(StrEnum):
    """What was done to an object, in the field's past-tense words (fluxcd/pkg ssa/changeset.go)."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    PRUNED = "pruned"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Drift:
    """A field that differs from git though the revision did not change: who wrote it, how and when.

    `kind`: `changed`, a field of ours; `healed`, that was undone; `deleted`, the whole object; `foreign`, a field that
    another manager added. `manager` is empty where nobody can tell (a removal leaves no owner). Values are never kept.
    """

    field: str
    manager: str
    kind: str
    at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.kind != "healed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One leaf that a plan changes. Values are masked (`***`) for Secrets; None means absent."""

    field: str
    old: str | None
    new: str | None


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
    """Kubernetes-style condition: type is Ready, Reconciling or Stalled; since = last transition."""

    type: str
    status: bool
    reason: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Revisions:
    """The four revisions of an overlay. None = not known yet."""

    observed: Revision | None = None
    rendered: Revision | None = None
    applied: Revision | None = None
    healthy: Revision | None = None


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A promotion that somebody asked for and that is not written yet. `release` is the hash that approvals name;
    `moves` and `gates` are sentences: what it would change, and what holds it. `asked_by`: who signed it, else who says
    that they made it; `waived`: the gates that it skips, with the reasons.
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
    """What waits to be promoted to an overlay: sentences, and the requests of people."""

    waiting: tuple[str, ...] = ()
    requests: tuple[PendingRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """One overlay as of `at` (aware, UTC). `took` maps the steps of the pass that changed something to seconds.
    `waiting`: what is newer elsewhere and why it is not here yet, in sentences; `warnings`: what of it breaks the
    contract though it was let in; `waived`: what a person waived to let in what is here, each with the reason.
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
    """One line of an overlay's history: written when sync, health, revision or the reason changed. `waived`: by what
    exceptions the release of then had been let in.
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
"""What is known of an overlay: its status, and its history, newest first."""

STATUS_JSON: JsonRecord[SyncStatus] = JsonRecord(SyncStatus)
HISTORY_JSON: JsonRecord[tuple[Record, ...]] = JsonRecord(tuple[Record, ...])
