"""A promotion as commits: what is written into the overlay's directory, and what `git log` says about it.

A commit cannot name itself, so new images take two, pushed together: one that writes the images into the overlay, and
one whose release.yaml names the first. Until the second one nothing has changed for the environment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC

from gitops.core.config_repo.release import RELEASE_FILE, Admission, Release, release_text
from gitops.core.image_updates import build_origin as origin
from gitops.core.image_updates import scans
from gitops.core.image_updates.changes import CAUSE_TRAILER, REVISION_TRAILER, one_line
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import ScanSeverity
from gitops.core.kustomize import image_edit
from gitops.core.promotion.proposal import OverlayMove

REQUEST_TRAILER = "Lockstep-Request"
RELEASE_TRAILER = "Lockstep-Release"
SOURCE_TRAILER = "Lockstep-Promoted-From"
SINCE_TRAILER = "Lockstep-Proven-Since"
APPROVED_TRAILER = "Lockstep-Approved-By"
SCAN_TRAILER = "Lockstep-Scan"


@dataclass(frozen=True, slots=True)
class Promotion:
    """One promotion of an environment, maybe of several overlays. `release` is its content hash; `request` the id of
    the tag that asked for it, empty when nobody had to. `scans`: service -> what the scan of its image has found;
    `revisions`: service -> the commit that its image was built from; both as far as they are known by then.
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


def image_files(
    moves: Sequence[OverlayMove], files: Mapping[str, str], read: Callable[[str], bytes]
) -> dict[str, bytes]:
    """The kustomizations with the new images. `files`: overlay -> path of its kustomization; `read`: content of a path.

    Raises: Rejected when a file cannot be edited safely, with what to change by hand.
    """
    edited: dict[str, bytes] = {}
    for move in moves:
        path = files[move.overlay]
        before = text = read(path)
        for image in move.images.values():
            text = image_edit.set_image(text, image, path)
        if text != before:
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
    """Of the first commit, which prepares."""
    return _message(f"{promotion.environment}: images of the next release", promotion, [])


def release_message(promotion: Promotion) -> str:
    """Of the commit that takes effect."""
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
        "Lockstep-Waived": _waived(promotion.waived),
    }
    lists = {SCAN_TRAILER: scans.text(promotion.scans), REVISION_TRAILER: origin.text(promotion.revisions)}
    listed = [f"{key}: {found}" for key, found in lists.items() if found]  # names, ids and our own words: as they are
    return _message(subject(promotion), promotion, [*_lines(trailers), *listed])


def subject(promotion: Promotion) -> str:
    """`prod: order 1.5.0, print-api 1.4.3 from test`."""
    moved = [f"{service} {_name(image)}" for move in promotion.moves for service, image in sorted(move.images.items())]
    if any(move.moves_base for move in promotion.moves):
        moved.append(f"base {_common_base(promotion.moves)}")
    if not moved:
        return f"{promotion.environment}: settings of the trunk"
    shown = ", ".join(moved[:4]) + (f" and {len(moved) - 4} more" if len(moved) > 4 else "")
    return f"{promotion.environment}: {shown} from {promotion.source}"


def _message(title: str, promotion: Promotion, trailers: Sequence[str]) -> str:
    body = [
        f"{service}: {_told(move.was[service]) if service in move.was else 'nothing'} -> {_told(image)}"
        for move in promotion.moves
        for service, image in sorted(move.images.items())
    ]
    whence = {"Lockstep-Environment": promotion.environment, SOURCE_TRAILER: promotion.source}
    lines = [*_lines(whence), *trailers, *_lines({CAUSE_TRAILER: promotion.cause})]
    parts = [one_line(title), "\n".join(one_line(line) for line in body), "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lines(trailers: Mapping[str, str]) -> list[str]:
    """A line each, however long or strange what people wrote."""
    return [f"{key}: {one_line(value)}" for key, value in trailers.items() if value]


def _waived(waived: Mapping[str, str]) -> str:
    """`soak, scan: production is down`: the names first, so that a long reason never hides one."""
    gates: dict[str, list[str]] = {}
    for gate, reason in waived.items():
        gates.setdefault(reason, []).append(gate)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in gates.items())


def _told(image: Image) -> str:
    """As people compare them; the whole digest stands in release.yaml and in the overlay."""
    return f"{image.tag or ''} ({image.short_digest})".strip()


def _name(image: Image) -> str:
    return image.tag or image.short_digest


def _common_base(moves: Sequence[OverlayMove]) -> str:
    return ", ".join(sorted({move.base[:12] for move in moves if move.moves_base}))
