"""Decides whether what git wants of an overlay may be let in: by the contract, and by the evidence of its release.

The rules are in gitops.core.contract; this module finds the values that they ask for. It changes nothing.
"""

from collections.abc import Mapping
from dataclasses import replace

from gitops.contract.head_surveys import HeadSurveys
from gitops.core.contract import admission, release_evidence
from gitops.core.contract.violations import Violation
from gitops.core.errors import Conflict, Rejected
from gitops.core.manifests import container_images
from gitops.core.revision import Revision
from gitops.core.sync.desired import Desired
from gitops.core.sync.sync_target import AdmissionVerdict, DesiredAtHead
from gitops.desired.applied_overlays import AppliedOverlays
from gitops.desired.desired_state import DesiredState


class OverlayAdmission:
    """Thread-safe for different overlays."""

    def __init__(self, desired: DesiredState, applied: AppliedOverlays, surveys: HeadSurveys) -> None:
        self._desired = desired
        self._applied = applied
        self._surveys = surveys

    def judge(self, wanted: DesiredAtHead, last: Revision | None, applied: Mapping[str, Revision]) -> AdmissionVerdict:
        """The verdict on an overlay. `last`: the revision of it that was applied last as a whole, None = none was.
        `applied`: overlay -> that revision, for all overlays.

        Raises: Conflict when the trunk moved meanwhile; Unavailable.
        """
        desired = wanted.desired
        if desired is None:
            return AdmissionVerdict(wanted.refusal)
        is_admitted = self._is_admitted(desired, last)
        try:
            unproven = () if is_admitted else self._find_unproven(desired)
            charged = self._find_violations(desired, applied, is_admitted=is_admitted)
        except Rejected as error:
            return admission.unjudged(error, is_admitted=is_admitted)
        found = (*unproven, *(charged or ()), *_find_off_trunk(desired))
        verdict = admission.verdict(found, is_admitted=is_admitted)
        if verdict.refusal is not None and self._renders_as_before(desired, last):
            verdict = admission.verdict(found, is_admitted=True)
        return replace(verdict, is_breached=None if charged is None else bool(charged))

    def _is_admitted(self, desired: Desired, last: Revision | None) -> bool:
        """True if this content was let in before; also in observe mode, in which nothing is written."""
        return bool(desired.withheld) or (last is not None and self._applied.is_same(desired, last))

    def _find_unproven(self, desired: Desired) -> tuple[Violation, ...]:
        """The parts of its release for which there is no evidence."""
        declared, overlay, release = self._desired.pipeline(), desired.overlay, desired.release
        if declared is None or release is None:
            return ()
        first = self._desired.first_release(overlay) if release.waives_all else None
        return release_evidence.find_unproven(
            overlay, release, container_images.images(desired.manifests), declared, first
        )

    def _find_violations(
        self, desired: Desired, applied: Mapping[str, Revision], *, is_admitted: bool
    ) -> tuple[Violation, ...] | None:
        """Violations of the contract that this overlay is charged with, beside what the other overlays are about to run
        and what they still run; None for the platform, which the contract does not bind.

        What two environments break together is charged to the one in which it is new; to the earlier one when it is new
        in both or in none. Which overlays are new is only found out when it matters.
        """
        overlay, head = desired.overlay, self._desired.contract_head()
        if overlay.name not in head.overlays:
            if overlay.is_platform:
                return None
            raise Conflict("TrunkMoved", f"{overlay.name} left the trunk while it was looked at")
        found = self._surveys.violations(overlay.name, head) if is_admitted else ()
        if not is_admitted or any(each.is_mutual for each in found):
            unapplied = self._applied.unapplied(self._desired.resolve_applied(applied), applied)
            found = self._surveys.violations(overlay.name, head, unapplied)
        return found

    def _renders_as_before(self, desired: Desired, last: Revision | None) -> bool:
        """True when only files changed that make no difference to any object, such as a comment."""
        try:
            return last is not None and self._desired.at(desired.overlay, last).is_equal(desired)
        except Rejected:
            return False


def _find_off_trunk(desired: Desired) -> tuple[Violation, ...]:
    """Warnings about commits of the release that the trunk has lost."""
    if not desired.off_trunk:
        return ()
    kept_by_ref = dict.fromkeys(desired.off_trunk, True)
    return release_evidence.find_off_trunk(desired.overlay, desired.revision, kept_by_ref)
