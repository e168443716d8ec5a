"""The gates of a promotion, a function for each: a shut gate says why, and what would open it.

Which gates count for which promotion is decided in decision.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Hold
from gitops.core.image_updates import scans
from gitops.core.image_updates.changes import one_line
from gitops.core.image_updates.scans import ScanAnswer
from gitops.core.images.reference import Image
from gitops.core.promotion import windows


class Gate(StrEnum):
    """A condition that must hold before a promotion is written. Gates that lockstep.yaml lists as skippable are skipped
    by name and with a reason.
    """

    SOAK = "soak"
    RAN = "ran"
    IMAGES = "images"
    SCAN = "scan"
    WINDOWS = "windows"
    APPROVALS = "approvals"
    HOLD = "hold"


SKIPPABLE = frozenset(Gate) - {Gate.APPROVALS}
"""The gates that a request may skip by default: all but `approvals`, because its author must not bypass the
approvals of others."""


@dataclass(frozen=True, slots=True)
class ShutGate:
    """A gate that is not open: why, and what would open it. `until`: when it opens by itself, or when to look again, if
    that is known.
    """

    gate: Gate
    message: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class GateFacts:
    """The facts that gates are judged by. `approved`: distinct signers so far, None when no request can collect any.
    `waived`: gate -> the reason to skip it. `moved`: service -> the image that the promotion would bring; `scans`:
    service -> what is known of its scan; `absent`: services whose image the registry has lost.
    """

    hold: Hold | None = None
    approved: int | None = None
    waived: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, Image] = field(default_factory=dict)
    scans: Mapping[str, ScanAnswer] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()


def shut(promote: PromotePolicy, now: datetime, facts: GateFacts) -> tuple[ShutGate, ...]:
    """The shut gates of a move, without the waived ones."""
    shut = [
        *_judge_hold(facts.hold, now),
        *_judge_windows(promote, now),
        *_judge_images(facts),
        *_judge_scans(promote, facts),
        *_judge_approvals(promote, facts.approved),
    ]
    return tuple(gate for gate in shut if gate.gate not in facts.waived)


def _judge_hold(hold: Hold | None, now: datetime) -> list[ShutGate]:
    if hold is None or not hold.is_in_force(now):
        return []
    until = f" until {hold.until.isoformat()}" if hold.until else ""
    return [ShutGate(Gate.HOLD, f"held by {hold.who}{until}: {hold.why}; `lockstep resume` ends it", hold.until)]


def _judge_windows(promote: PromotePolicy, now: datetime) -> list[ShutGate]:
    if windows.is_open(promote.windows, now):
        return []
    opens = windows.next_opening(promote.windows, now)
    when = f"the next window opens at {opens:%Y-%m-%d %H:%M} UTC" if opens else "no window opens in sight"
    return [ShutGate(Gate.WINDOWS, f"outside the windows of pipeline.yaml; {when}", opens)]


def _judge_images(facts: GateFacts) -> list[ShutGate]:
    found = [(service, image) for service, image in sorted(facts.moved.items()) if service in facts.absent]
    return [
        ShutGate(
            Gate.IMAGES,
            f"{one_line(image.name.partition('/')[0])} no longer has {service} {one_line(image.tag or '')} "
            f"({image.short_digest}), so that no pod could start: push it again, or let a newer one be proven",
        )
        for service, image in found
    ]


def _judge_scans(promote: PromotePolicy, facts: GateFacts) -> list[ShutGate]:
    if promote.scan is None:
        return []
    found = [(service, image, facts.scans.get(service, ScanAnswer())) for service, image in sorted(facts.moved.items())]
    judged = ((scans.obstacle(service, image, answer, promote.scan.limit), answer) for service, image, answer in found)
    return [ShutGate(Gate.SCAN, message, answer.again_at) for message, answer in judged if message]


def _judge_approvals(promote: PromotePolicy, approved: int | None) -> list[ShutGate]:
    wanted = promote.approvals.count
    if not wanted or (approved is not None and approved >= wanted):
        return []
    if approved is None:
        return [ShutGate(Gate.APPROVALS, f"needs {wanted} approvals, which only a request (a pushed tag) can collect")]
    return [ShutGate(Gate.APPROVALS, f"{approved} of {wanted} approvals; `lockstep approve` gives one")]
