"""Chooses the target of a pass: one answer of git, and the verdict of the contract on exactly this answer.

Not here: the rules (core.sync.sync_target), and the memory of passes (pass_memory).
"""

from collections.abc import Mapping

import structlog

from gitops.core.config_repo.layout import Overlay
from gitops.core.errors import Conflict, Rejected
from gitops.core.ownership.applyset import Parent
from gitops.core.revision import Revision
from gitops.core.sync import sync_target
from gitops.core.sync.desired import Desired
from gitops.core.sync.sync_target import SyncTarget
from gitops.desired.desired_state import DesiredState
from gitops.ports import Clock
from gitops.reconcile.admission import OverlayAdmission

_log = structlog.get_logger(__name__)

_TRIES = 20


class TargetChoice:
    """Thread-safe for different overlays. Writes nothing."""

    def __init__(self, desired: DesiredState, admission: OverlayAdmission, clock: Clock) -> None:
        self._desired = desired
        self._admission = admission
        self._clock = clock

    def choose(self, parent: Parent, applied: Mapping[str, Revision]) -> SyncTarget:
        """The target of a pass over the parent's overlay. The desired state and the contract that judges it are of one
        head, also when a new head is taken in meanwhile. `applied`: overlay -> the revision that was applied last as a
        whole.

        Raises: Conflict when heads arrive faster than one can be judged, or the overlay left the trunk; Unavailable.
        """
        for _ in range(_TRIES):
            desired = self._desired.resolve(parent.overlay)
            verdict = self._admission.judge(desired, parent.applied, applied)
            last = self._at_applied(desired.overlay, parent) if verdict.refusal else None
            target = sync_target.choose(desired, verdict, last, now=self._clock.now())
            if self._desired.head() == desired.head:
                break
        else:
            raise Conflict("TrunkMoved", "new heads arrive faster than one can be judged")
        if verdict.refusal is not None:
            _log.warning("stalled", reason=verdict.refusal.reason, message=verdict.refusal.message)
        return target

    def _at_applied(self, overlay: Overlay, parent: Parent) -> Desired | None:
        """The overlay as it was applied last, kept and healed while git's content is refused; None = not known."""
        try:
            return self._desired.at(overlay, parent.applied) if parent.applied else None
        except Rejected as error:
            _log.warning(
                "the revision that was applied last does not render any more", reason=error.reason, message=str(error)
            )
            return None
