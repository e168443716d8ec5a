"""Decides whether a promotion is rolled back: the overlay became Degraded soon after it, and it is its newest commit.

All of it is read from git and the ledger, so a restart changes nothing: the promotion's commit and time, the overlay's
history before it, and since when the overlay is Degraded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops.core.health import Health
from gitops.core.promotion.commits import RELEASE_TRAILER, SOURCE_TRAILER
from gitops.core.revision import Revision
from gitops.core.sync.status import Record, SyncStatus


@dataclass(frozen=True, slots=True)
class LastCommit:
    """The newest commit of the trunk that touched an overlay's directory."""

    id: str
    committed_at: datetime
    trailers: Mapping[str, str]

    @property
    def is_promotion(self) -> bool:
        """False for a person's commit, and for every rollback."""
        return RELEASE_TRAILER in self.trailers and SOURCE_TRAILER in self.trailers


def degraded_after(
    promotion: LastCommit, revision: Revision, status: SyncStatus, history: Sequence[Record]
) -> timedelta | None:
    """The time from the promotion to this revision until the overlay became Degraded. `history`: newest first. None if
    the overlay is not Degraded, was Degraded before, or the history does not reach back that far.
    """
    at = promotion.committed_at
    if not promotion.is_promotion or status.health is not Health.DEGRADED or status.revisions.rendered != revision:
        return None
    since = _find_start(status, revision, history)
    before = next((record for record in history if record.at < at), None)
    if before is None or before.health is Health.DEGRADED or since < at:
        return None
    return since - at


def cause(promotion: LastCommit, after: timedelta) -> str:
    return f"degraded {int(after.total_seconds()) // 60} min after the promotion {promotion.id[:12]}"


def _find_start(status: SyncStatus, revision: Revision, history: Sequence[Record]) -> datetime:
    """The time since which the overlay is Degraded without a break."""
    since = status.at
    for record in history:
        if record.health is not Health.DEGRADED or record.revision != revision:
            break
        since = record.at
    return since
