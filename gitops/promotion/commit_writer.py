"""Writes promotions and rollbacks: first into the clone, where the result is rendered and judged as if it were the
trunk, then to the remote, by compare-and-swap on the head that the promoter decided at.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from gitops.core.config_repo.commits import NewCommit
from gitops.core.errors import Conflict, Rejected
from gitops.core.promotion import commits as promotion_commits
from gitops.core.promotion import push_refusal
from gitops.core.promotion.commits import Promotion
from gitops.core.promotion.push_refusal import PushRefusal
from gitops.core.promotion.release import OverlayMove
from gitops.desired.desired_state import DesiredState
from gitops.ports import ConfigRepo, ContractCheck, Leadership, PromotionListener
from gitops.promotion.snapshot import EnvironmentSnapshot

_log = structlog.get_logger(__name__)

_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class PreparedCommit:
    """Commits up to `revision`, in the clone alone; or the `problem` of their result; or neither, if there is nothing
    to write. `content` identifies the write: equal content on an equal head is the same write.
    """

    content: str
    revision: str = ""
    problem: str = ""


class PromotionWriter:
    """Writes and pushes promotions. For one thread at a time. `listener` receives the overlays to recheck: those that a
    new head may change.
    """

    def __init__(
        self,
        repo: ConfigRepo,
        desired: DesiredState,
        contract: ContractCheck,
        leadership: Leadership,
        listener: PromotionListener,
    ) -> None:
        self._repo = repo
        self._desired = desired
        self._contract = contract
        self._leadership = leadership
        self._listener = listener
        self._problems: dict[tuple[str, str], str] = {}
        self._refusals: dict[tuple[str, str], PushRefusal] = {}

    def prepare(self, snapshot: EnvironmentSnapshot, content: str, write: Callable[[], str]) -> PreparedCommit:
        """Runs `write`, which returns a commit, or "" for none. When it raises Rejected, the reason is remembered: the
        same content is not written again on the same head.
        """
        key = (snapshot.head, content)
        self._problems = {known: why for known, why in self._problems.items() if known[0] == snapshot.head}
        if key not in self._problems:
            try:
                return PreparedCommit(content, write())
            except Rejected as error:
                self._problems[key] = str(error)
                _log.warning(
                    "the promotion would not render or would break the contract",
                    environment=snapshot.name,
                    reason=error.reason,
                    message=str(error),
                )
        return PreparedCommit(content, problem=self._problems[key])

    def prepare_promotion(self, snapshot: EnvironmentSnapshot, promotion: Promotion, now: datetime) -> PreparedCommit:
        """Writes the promotion as `prepare` does."""
        return self.prepare(snapshot, promotion.release, lambda: self._write_promotion(snapshot, promotion, now))

    def _write_promotion(self, snapshot: EnvironmentSnapshot, promotion: Promotion, now: datetime) -> str:
        """Commits the new images, if there are any, then the release.yaml that names that commit. In the clone alone.

        Raises: Rejected when the overlays would not render as promised, or break a rule.
        """
        repo, parent = self._repo, snapshot.head
        tree = repo.tree(parent)
        paths = {snapshot.files[move.overlay] for move in promotion.moves}
        texts = {path: repo.read(tree[path].id) for path in paths}
        files = promotion_commits.image_files(promotion.moves, snapshot.files, texts)
        if files:
            parent = repo.write(parent, [NewCommit(files, promotion_commits.images_message(promotion), now)])
        commits = {move.overlay: _overlay_commit(snapshot, move, parent) for move in promotion.moves}
        before = {name: (snapshot.overlays[name].path, target.release) for name, target in snapshot.targets.items()}
        releases = promotion_commits.release_files(promotion, before, commits)
        revision = repo.write(parent, [NewCommit(releases, promotion_commits.release_message(promotion), now)])
        for move in promotion.moves:
            self._require_running(move, revision)
        self._require_lawful([move.overlay for move in promotion.moves], revision)
        return revision

    def write_rollback(self, snapshot: EnvironmentSnapshot, overlay: str, commit: NewCommit) -> str:
        """Writes the commit, in the clone alone.

        Raises: Rejected when the overlay would not render, or would break a rule.
        """
        revision = self._repo.write(snapshot.head, [commit])
        self._desired.as_of(overlay, revision)
        self._require_lawful([overlay], revision)
        return revision

    def push(self, snapshot: EnvironmentSnapshot, prepared: PreparedCommit, now: datetime) -> PushRefusal | None:
        """Pushes prepared commits; returns None if the remote accepted them. After a refusal the same content is pushed
        again on this head only when its pause is over.

        Raises: Conflict if this replica may no longer lead, or if the trunk moved (the new head is read then);
        Unavailable.
        """
        key = (snapshot.head, prepared.content)
        self._refusals = {known: refusal for known, refusal in self._refusals.items() if known[0] == snapshot.head}
        known = self._refusals.get(key)
        if known is not None and known.forbids(now):
            return known
        if not self._leadership.is_leader():
            raise Conflict(
                "NotLeading", "this replica may no longer lead; nothing was promoted, and the leader decides again"
            )
        try:
            head = self._publish(snapshot.head, prepared.revision)
        except Rejected as error:
            _log.warning("push refused", environment=snapshot.name, reason=error.reason, message=str(error))
            self._refusals[key] = refusal = push_refusal.count_refusal(known, str(error), now)
            return refusal
        self._listener.on_promotion(head)
        return None

    def _publish(self, head: str, revision: str) -> str:
        """Returns the new head. Raises: Conflict if the trunk moved; the new head is read then."""
        try:
            published = self._repo.publish(head, revision)
        except Conflict:
            self._repo.fetch()
            self._listener.head_changed(self._desired.refresh())
            raise
        self._listener.head_changed(self._desired.refresh())
        return published

    def _require_running(self, move: OverlayMove, revision: str) -> None:
        rendered = self._desired.as_of(move.overlay, revision)
        wrong = [
            f"no container of {move.overlay} would run {service} {image.tag}"
            for service, image in move.images.items()
            if (found := rendered.images.get(service)) is None or found.digest != image.digest
        ]
        if wrong:
            raise Rejected("WouldNotRun", "; ".join(wrong))

    def _require_lawful(self, overlays: Sequence[str], revision: str) -> None:
        forbidden = self._contract.forbidden(revision, set(overlays))
        violations = [sentence for overlay in overlays for sentence in forbidden.get(overlay, ())]
        if violations:
            raise Rejected("ContractViolated", "; ".join(violations[:_MOST_SHOWN]))


def _overlay_commit(snapshot: EnvironmentSnapshot, move: OverlayMove, written: str) -> str:
    """The commit that the overlay's directory is taken from: the locked one, unless something in it changes."""
    locked = snapshot.targets[move.overlay].release.overlay
    return written if move.images or move.moves_settings or locked is None else locked
