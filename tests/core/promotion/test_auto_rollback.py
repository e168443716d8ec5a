"""Whether a promotion is taken back by itself: by literals."""

from datetime import UTC, datetime, timedelta

import pytest

from gitops.core.health import Health
from gitops.core.promotion import auto_rollback as retreat
from gitops.core.promotion.auto_rollback import LastCommit
from gitops.core.revision import Revision
from gitops.core.sync.status import Record, Revisions, Sync, SyncStatus

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
NEW, OLD = Revision("2" * 40, "3" * 40), Revision("1" * 40, "1" * 40)
PROMOTED = {"Lockstep-Release": "ab" * 32, "Lockstep-Promoted-From": "test"}
PROMOTION = LastCommit("3f" * 20, AT, PROMOTED)

Line = tuple[float, Revision, Health]


def after(*history: Line, health: Health = Health.DEGRADED, commit: LastCommit = PROMOTION) -> timedelta | None:
    """`history` oldest first: minutes after the promotion, what ran, how it was."""
    lines = [Record(AT + timedelta(minutes=at), ran, Sync.SYNCED, how, "x", "") for at, ran, how in reversed(history)]
    now = AT + timedelta(hours=1)
    status = SyncStatus("prod", "prod", Sync.SYNCED, health, now, revisions=Revisions(rendered=history[-1][1]))
    return retreat.degraded_after(commit, NEW, status, lines)


WELL = (-60, OLD, Health.HEALTHY)


def test_what_became_degraded_by_it() -> None:
    found = after(WELL, (0.1, NEW, Health.PROGRESSING), (4.9, NEW, Health.DEGRADED))
    assert found == timedelta(minutes=4.9)
    assert retreat.cause(PROMOTION, found) == "degraded 4 min after the promotion 3f3f3f3f3f3f"


def test_it_counts_from_when_it_is_degraded_without_a_break() -> None:
    assert after(WELL, (3, NEW, Health.DEGRADED), (5, NEW, Health.DEGRADED)) == timedelta(minutes=3)
    broken = (WELL, (3, NEW, Health.DEGRADED), (5, NEW, Health.HEALTHY), (40, NEW, Health.DEGRADED))
    assert after(*broken) == timedelta(minutes=40)


@pytest.mark.parametrize(
    "history",
    [
        [(-60, OLD, Health.DEGRADED), (0.1, NEW, Health.PROGRESSING), (4, NEW, Health.DEGRADED)],
        [(-60, OLD, Health.HEALTHY), (-1, OLD, Health.DEGRADED), (4, NEW, Health.DEGRADED)],
        [(0.1, NEW, Health.PROGRESSING), (4, NEW, Health.DEGRADED)],
        [WELL, (4, OLD, Health.DEGRADED)],
    ],
    ids=["degraded before", "degraded just before", "nobody knows how it was", "what was before is degraded"],
)
def test_what_the_promotion_is_not_to_blame_for(history: list[Line]) -> None:
    assert after(*history) is None


@pytest.mark.parametrize("health", [each for each in Health if each is not Health.DEGRADED])
def test_nothing_but_degraded_counts(health: Health) -> None:
    assert after(WELL, (4, NEW, health), health=health) is None


@pytest.mark.parametrize(
    "trailers", [{}, {"Lockstep-Environment": "prod"}, {"Lockstep-Promoted-From": "test"}, {"Lockstep-Cause": "x"}]
)
def test_what_is_no_promotion_is_not_taken_back(trailers: dict[str, str]) -> None:
    commit = LastCommit("3f" * 20, AT, trailers)
    assert after(WELL, (4, NEW, Health.DEGRADED), commit=commit) is None
