"""The commit of an automatic rollback: the same commit as `lockstep rollback` writes, with a hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gitops.core.config_repo.commits import NewCommit
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Hold
from gitops.core.health import Health
from gitops.core.promotion import auto_rollback, rollback
from gitops.core.promotion.auto_rollback import LastCommit
from gitops.ports import ConfigRepo, Ledger
from gitops.promotion.past_overlays import PastOverlays

WHO = "Lockstep"
_MOST_RELEASES = 100


@dataclass(frozen=True, slots=True)
class AutoRollback:
    """Reads git and the ledger, and asks the rule (gitops/core/promotion/auto_rollback.py)."""

    repo: ConfigRepo
    ledger: Ledger

    def commit(self, declared: Pipeline, place: Overlay, head: str, now: datetime) -> NewCommit | None:
        """The rollback commit; None if no rollback is due or pipeline.yaml does not enable it. The caller checks holds.

        Raises: Rejected(NothingBefore, NeverProven) if a rollback is due but there is no release to go back to.
        """
        promote = declared.environments[place.environment].promote
        if promote is None or promote.rollback is None:
            return None
        states = PastOverlays(declared, self.repo, self.repo)
        found = self._find_cause(place, states, head, promote.rollback.within)
        if found is None:
            return None
        cause, message = found
        present = states.state(place, head)
        past = [commit.id for commit in self.repo.history(states.path(place, present), _MOST_RELEASES)]
        then = states.state(place, states.previous(place, present, past))
        edits = rollback.rollback(place, present, then, self.repo.read)
        edits |= rollback.hold_edit(place.path, Hold(who=WHO, why=f"rolled back by itself: {cause}", since=now))
        subject = f"{place.name}: roll back {place.name} to {then.commit[:12]}"
        return NewCommit(edits, rollback.message(subject, place.environment, message, cause), now)

    def _find_cause(self, place: Overlay, states: PastOverlays, head: str, within: timedelta) -> tuple[str, str] | None:
        """The cause of the rollback, and the message of the Ready condition; None if no rollback is due."""
        status, history = self.ledger.read(place.name) or (None, ())
        if status is None or status.health is not Health.DEGRADED:
            return None
        release, newest = states.state(place, head).release, next(iter(self.repo.history(place.path, 1)), None)
        if release is None or release.revision is None or newest is None:
            return None
        promotion = LastCommit(newest.id, newest.committed_at, newest.trailers)
        after = auto_rollback.degraded_after(promotion, release.revision, status, history)
        if after is None or after > within:
            return None
        ready = status.condition("Ready")
        return auto_rollback.cause(promotion, after), ready.message if ready else ""
