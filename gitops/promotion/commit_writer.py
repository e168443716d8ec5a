"""Writes what a promoter has decided: into the clone first, where it is looked at as if it were the trunk already, then
by compare-and-swap on the head that it was decided at.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import structlog

from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Conflict, Rejected
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.proposal import OverlayMove
from gitops.desired.desired_state import DesiredState
from gitops.ports import ConfigRepo, PromotionListener
from gitops.promotion.snapshot import EnvironmentSnapshot

_log = structlog.get_logger(__name__)

_MOST_SHOWN = 3

ContractCheck = Callable[[str, Collection[str]], Mapping[str, Sequence[str]]]
"""(commit, overlays that it changes) -> what the contract forbids there, by overlay, in sentences."""


class PromotionWriter:
    """Called by one thread at a time. `listener` learns which overlays a new head may change: the caller that takes in
    a head has to have them looked at.
    """

    def __init__(
        self, repo: ConfigRepo, desired: DesiredState, judge: ContractCheck, listener: PromotionListener
    ) -> None:
        self._repo = repo
        self._desired = desired
        self._judge = judge
        self._listener = listener
        self._refused: dict[tuple[str, str], str] = {}

    def good(self, stage: EnvironmentSnapshot, what: str, written: Callable[[], str]) -> tuple[str, str]:
        """What `written` returns, or why it would be wrong, which is found out once for each head."""
        self._refused = {known: why for known, why in self._refused.items() if known[0] == stage.head}
        if (stage.head, what) not in self._refused:
            try:
                return written(), ""
            except Rejected as error:
                self._refused[stage.head, what] = str(error)
                _log.warning(
                    "a promotion would not work", environment=stage.name, reason=error.reason, message=str(error)
                )
        return "", self._refused[stage.head, what]

    def promotion(self, stage: EnvironmentSnapshot, made: Promotion, now: datetime) -> str:
        """The commits, in the clone alone: images first if there are any, then the release that names them.

        Raises: Rejected when the overlays would not render as promised, or break a rule.
        """
        repo, parent = self._repo, stage.head
        tree = repo.tree(parent)
        files = promotion_commits.image_files(made.moves, stage.files, lambda path: repo.read(tree[path].id))
        if files:
            parent = repo.write(parent, [NewCommit(files, promotion_commits.images_message(made), now)])
        commits = {move.overlay: _overlay_commit(stage, move, parent) for move in made.moves}
        before = {name: (stage.overlays[name].path, target.release) for name, target in stage.targets.items()}
        releases = promotion_commits.release_files(made, before, commits)
        revision = repo.write(parent, [NewCommit(releases, promotion_commits.release_message(made), now)])
        for move in made.moves:
            self._require_running(move, revision)
        self._require_lawful([move.overlay for move in made.moves], revision)
        return revision

    def rollback(self, stage: EnvironmentSnapshot, overlay: str, commit: NewCommit) -> str:
        """The commit, in the clone alone. Raises: Rejected when the overlay would not render, or break a rule."""
        revision = self._repo.write(stage.head, [commit])
        self._desired.as_of(overlay, revision)
        self._require_lawful([overlay], revision)
        return revision

    def push(self, head: str, revision: str) -> str:
        """The new head. Raises: Conflict when the trunk moved meanwhile; it has been taken in then. Unavailable."""
        try:
            published = self._repo.publish(head, revision)
        except Conflict:
            self._repo.fetch()
            self._listener.head_changed(self._desired.refresh())
            raise
        self._listener.head_changed(self._desired.refresh())
        return published

    def _require_running(self, move: OverlayMove, revision: str) -> None:
        would_be = self._desired.as_of(move.overlay, revision)
        wrong = [
            f"no container of {move.overlay} would run {service} {image.tag}"
            for service, image in move.images.items()
            if (found := would_be.images.get(service)) is None or found.digest != image.digest
        ]
        if wrong:
            raise Rejected("WouldNotRun", "; ".join(wrong))

    def _require_lawful(self, overlays: Sequence[str], revision: str) -> None:
        forbidden = self._judge(revision, set(overlays))
        broken = [sentence for overlay in overlays for sentence in forbidden.get(overlay, ())]
        if broken:
            raise Rejected("ContractViolated", "; ".join(broken[:_MOST_SHOWN]))


def _overlay_commit(stage: EnvironmentSnapshot, move: OverlayMove, written: str) -> str:
    """The commit that the overlay's directory is taken from: the one it has, unless something in it changes."""
    locked = stage.targets[move.overlay].release.overlay
    return written if move.images or move.moves_settings or locked is None else locked
