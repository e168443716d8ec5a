"""A promotion as commits: the files that it writes into overlays, and the messages that `git log` shows.

A commit cannot name itself, so new images take two commits, pushed together: the first writes the images into the
overlay, the second writes the release.yaml that names the first. Until the second, nothing changes for the environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC

from gitops.core.config_repo.release import RELEASE_FILE, Admission, Release, release_text
from gitops.core.image_updates import build_origin, scans
from gitops.core.image_updates.changes import CAUSE_TRAILER, REVISION_TRAILER, one_line
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import ScanSeverity
from gitops.core.kustomize import image_edit
from gitops.core.parsing.models import format_duration
from gitops.core.promotion import requests
from gitops.core.promotion.inputs import PromotionRoute
from gitops.core.promotion.release import OverlayMove, release_hash
from gitops.core.promotion.requests import PromotionRequest

REQUEST_TRAILER = "Lockstep-Request"
RELEASE_TRAILER = "Lockstep-Release"
SOURCE_TRAILER = "Lockstep-Promoted-From"
SINCE_TRAILER = "Lockstep-Proven-Since"
APPROVED_TRAILER = "Lockstep-Approved-By"
SCAN_TRAILER = "Lockstep-Scan"

_MOST_SHOWN = 4
_SETTINGS_ONLY = "settings of the trunk"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion of an environment, of one overlay or several. `release` is its content hash; `request` the id of
    the tag object that asked for it, empty for an automatic promotion. `scans`: service -> severity that the scan of
    its image found; `revisions`: service -> the commit that its image was built from; both as far as known.
    """

    environment: str
    source: str
    moves: tuple[OverlayMove, ...]
    release: str
    cause: str
    request: str = ""
    waived: Mapping[str, str] = field(default_factory=dict)
    approvers: frozenset[str] = frozenset()
    scans: Mapping[str, ScanSeverity] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)


def automatic_promotion(route: PromotionRoute, moves: Sequence[OverlayMove]) -> Promotion:
    """The promotion that automation makes of these moves."""
    asked = "" if route.policy.when == "proven" else "committed on the trunk, "
    cause = f"{asked}proven in {route.source} for {format_duration(route.policy.soak)}"
    return Promotion(route.environment, route.source, tuple(moves), release_hash(route.environment, moves), cause)


def requested_promotion(
    route: PromotionRoute, request: PromotionRequest, moves: Sequence[OverlayMove], approvers: frozenset[str]
) -> Promotion:
    """The promotion that a request makes of these moves."""
    return Promotion(
        environment=route.environment,
        source=route.source,
        moves=tuple(moves),
        release=release_hash(route.environment, moves),
        cause=f"tag {requests.PROMOTE}{route.environment}/{request.name}",
        request=request.id,
        waived=request.waived,
        approvers=approvers,
    )


def image_files(moves: Sequence[OverlayMove], files: Mapping[str, str], texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The kustomizations with the new images. `files`: overlay -> path of its kustomization; `texts`: path -> content.

    Raises: Rejected when a file cannot be edited safely; its message says what to change by hand.
    """
    edited: dict[str, bytes] = {}
    for move in moves:
        path = files[move.overlay]
        text = texts[path]
        for image in move.images.values():
            text = image_edit.set_image(text, image, path)
        if text != texts[path]:
            edited[path] = text
    return edited


def release_files(
    promotion: Promotion, before: Mapping[str, tuple[str, Release]], commits: Mapping[str, str]
) -> dict[str, bytes]:
    """release.yaml of each overlay. `before`: overlay -> its directory and present release; `commits`: overlay -> the
    commit of its directory.
    """
    written = {}
    for move in promotion.moves:
        path, release = before[move.overlay]
        admission = Admission(
            source=promotion.source,
            base=move.base if move.proves_base else None,
            services=dict(move.evidence),
            request=promotion.request,
        )
        waived = ({move.base: move.base_waived} if move.base_waived else {}) | dict(promotion.waived)
        after = release.model_copy(
            update={
                "base": move.base,
                "overlay": commits[move.overlay],
                "admission": admission,
                "waived": waived or None,
            }
        )
        written[f"{path}/{RELEASE_FILE}"] = release_text(after)
    return written


def images_message(promotion: Promotion) -> str:
    """The message of the first commit, which prepares."""
    return _message(f"{promotion.environment}: images of the next release", promotion, [])


def release_message(promotion: Promotion) -> str:
    """The message of the commit that takes effect."""
    since = [
        evidence.since
        for move in promotion.moves
        for service, evidence in move.evidence.items()
        if evidence.since is not None and (service in move.images or move.moves_base)
    ]
    trailers = {
        SINCE_TRAILER: min(since).astimezone(UTC).isoformat() if since else "",
        REQUEST_TRAILER: promotion.request,
        RELEASE_TRAILER: promotion.release,
        APPROVED_TRAILER: ", ".join(sorted(promotion.approvers)),
        "Lockstep-Waived": _format_waived(promotion.waived),
    }
    # names, ids and words of our own: written without a limit of length
    lists = {SCAN_TRAILER: scans.text(promotion.scans), REVISION_TRAILER: build_origin.text(promotion.revisions)}
    listed = [f"{key}: {found}" for key, found in lists.items() if found]
    return _message(subject(promotion), promotion, [*_lines(trailers), *listed])


def subject(promotion: Promotion) -> str:
    """`prod: order 1.5.0, print-api 1.4.3 from test`."""
    summary = summarise(promotion.moves)
    whence = "" if summary == _SETTINGS_ONLY else f" from {promotion.source}"
    return f"{promotion.environment}: {summary}{whence}"


def summarise(moves: Sequence[OverlayMove]) -> str:
    """`order 1.5.0, base 4b825dc642cb`."""
    moved = [f"{service} {_name(image)}" for move in moves for service, image in sorted(move.images.items())]
    if any(move.moves_base for move in moves):
        moved.append("base " + ", ".join(sorted({move.base[:12] for move in moves if move.moves_base})))
    if not moved:
        return _SETTINGS_ONLY
    more = f" and {len(moved) - _MOST_SHOWN} more" if len(moved) > _MOST_SHOWN else ""
    return ", ".join(moved[:_MOST_SHOWN]) + more


def _message(title: str, promotion: Promotion, trailers: Sequence[str]) -> str:
    body = [
        f"{service}: {_describe(move.was[service]) if service in move.was else 'nothing'} -> {_describe(image)}"
        for move in promotion.moves
        for service, image in sorted(move.images.items())
    ]
    whence = {"Lockstep-Environment": promotion.environment, SOURCE_TRAILER: promotion.source}
    lines = [*_lines(whence), *trailers, *_lines({CAUSE_TRAILER: promotion.cause})]
    parts = [one_line(title), "\n".join(one_line(line) for line in body), "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lines(trailers: Mapping[str, str]) -> list[str]:
    """One line for each trailer; text that people wrote is bounded and freed of control characters."""
    return [f"{key}: {one_line(value)}" for key, value in trailers.items() if value]


def _format_waived(waived: Mapping[str, str]) -> str:
    """`soak, scan: production is down`: the names first, so that a long reason never hides one."""
    gates: dict[str, list[str]] = {}
    for gate, reason in waived.items():
        gates.setdefault(reason, []).append(gate)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in gates.items())


def _describe(image: Image) -> str:
    """`1.5.0 (0123456789ab)`; the whole digest stands in release.yaml and in the overlay."""
    return f"{image.tag or ''} ({image.short_digest})".strip()


def _name(image: Image) -> str:
    return image.tag or image.short_digest
