"""The gate `scan`: whether the vulnerability scan of an image lets it move on, and what would. Pure.

Only a scan that is done and rated opens the gate. Everything else keeps it shut: a scan for an SBOM alone, a scan that
failed or runs, findings without a rating, a registry that does not answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitops.core.image_updates.changes import one_line
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import Scan, ScanSeverity, ScanState
from gitops.core.parsing import models

ASKED_EVERY = timedelta(minutes=3)
"""Interval at which a waiting promotion asks for a scan."""
COUNTS_FOR = timedelta(minutes=5)
"""An older answer of a registry opens no gate: it may have scanned again since."""

_MOST_NAMED = 50


class ScanUnknown(StrEnum):
    """The reason why the result of a scan is unknown."""

    UNASKED = "unasked"
    UNPINNED = "unpinned"
    NO_REGISTRY = "no registry"
    UNREACHABLE = "unreachable"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ScanAnswer:
    """The known result of the scan of one image. `unknown` counts where there is no `scan`; `why` is the registry's own
    message. `again_at`: when the registry is asked again.
    """

    scan: Scan | None = None
    unknown: ScanUnknown = ScanUnknown.UNASKED
    why: str = ""
    again_at: datetime | None = None


def word(severity: ScanSeverity) -> str:
    """The severity as pipeline.yaml and Harbor write it."""
    return severity.name.capitalize()


def passes(image: Image, answer: ScanAnswer, limit: ScanSeverity) -> bool:
    scan = answer.scan
    if scan is None or not image.digest or scan.state is not ScanState.DONE or scan.severity is None:
        return False
    return scan.severity <= limit


def obstacle(service: str, image: Image, answer: ScanAnswer, limit: ScanSeverity) -> str:
    """The reason why the image does not pass, and its fix; empty if it passes."""
    if passes(image, answer, limit):
        return ""
    what, host = f"{service} {_name(image)}", one_line(image.name.partition("/")[0])
    if not image.digest:
        return f"{service} {one_line(image.tag or '')} is not pinned by a digest, so that no scan can be known of it"
    if answer.scan is None:
        return _explain_unknown(what, host, answer)
    return f"{_explain_scan(what, host, answer.scan, limit)}. {_next_query(host)}"


def severities(found: Iterable[tuple[str, ScanAnswer]]) -> dict[str, ScanSeverity]:
    """Service -> severity of its scan, of scans that are done and rated. The worst of several."""
    worst: dict[str, ScanSeverity] = {}
    for service, answer in found:
        scan = answer.scan
        if scan is not None and scan.state is ScanState.DONE and scan.severity is not None:
            worst[service] = max(scan.severity, worst.get(service, scan.severity))
    return worst


def text(found: Mapping[str, ScanSeverity]) -> str:
    """The severities for a trailer, the worst first, at most 50: `order=High print-api=None`."""
    order = sorted(found.items(), key=lambda each: (-each[1], each[0]))[:_MOST_NAMED]
    return " ".join(f"{service}={word(severity)}" for service, severity in order)


def parse(trailer: str) -> dict[str, ScanSeverity]:
    """Service -> severity, read from such a text; other words are left out."""
    pairs = (part.partition("=") for part in trailer.split())
    return {name: _WORDS[said] for name, _, said in pairs if models.is_name(name) and said in _WORDS}


_WORDS = {word(severity): severity for severity in ScanSeverity}


def _name(image: Image) -> str:
    """`1.4.2 (0123456789ab)`."""
    return f"{one_line(image.tag or '')} ({image.short_digest})".strip()


def _explain_scan(what: str, host: str, scan: Scan, limit: ScanSeverity) -> str:
    if scan.state is ScanState.ABSENT:
        return f"{host} has not scanned {what} for vulnerabilities yet: start a scan there (an SBOM alone is none)"
    if scan.state is ScanState.RUNNING:
        return f"{host} is still scanning {what}"
    if scan.state is ScanState.FAILED:
        return (
            f"the scan of {what} failed at {host}, was stopped, or left out an image of its index: start it again there"
        )
    if scan.severity is None:
        return (
            f"the scan of {what} at {host} has findings that are rated Unknown, which is no pass whatever the others "
            "are rated: scan it again when the scanner knows more, or skip this gate by name"
        )
    allowed = "none" if limit is ScanSeverity.NONE else f"{word(limit)} at most"
    return f"the scan of {what} found {word(scan.severity)}, and scan.max allows {allowed}: push an image without that"


def _explain_unknown(what: str, host: str, answer: ScanAnswer) -> str:
    why = f": {one_line(answer.why)}" if answer.why else ""
    if answer.unknown is ScanUnknown.NO_REGISTRY:
        return (
            f"the scan of {what} is unknown: lockstep.yaml knows no registry {host}; add it under "
            "`registries` there, with an account that may read scans"
        )
    if answer.unknown is ScanUnknown.UNREACHABLE:
        return f"{host} cannot be asked for the scan of {what} now{why}. It is asked again by itself"
    if answer.unknown is ScanUnknown.UNSUPPORTED:
        return (
            f"{host} is a registry without scans, so the scan of {what} stays unknown{why}; take `scan` out of "
            "pipeline.yaml, or skip this gate by name"
        )
    if answer.unknown is ScanUnknown.REFUSED:
        return f"{host} does not show the scan of {what}{why}. {_next_query(host)}"
    return f"{host} is being asked for the scan of {what}"


def _next_query(host: str) -> str:
    minutes = int(ASKED_EVERY.total_seconds()) // 60
    return f"It is asked again when {host} announces a scan, and every {minutes} min"
