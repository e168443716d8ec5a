"""What a registry knows of the images that were pushed to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class ScanSeverity(IntEnum):
    """The worst finding of a vulnerability scan, as Harbor words it. Unknown is no finding: nobody could rate it.

    https://github.com/goharbor/harbor/blob/main/src/pkg/scan/vuln/severity.go
    """

    NONE = 0
    NEGLIGIBLE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class ScanState(StrEnum):
    """`ABSENT`: nobody scanned it, or only for an SBOM. `RUNNING` includes pending and scheduled."""

    ABSENT = "absent"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a vulnerability scan of one digest came to. `severity` is None unless it is done and could be rated."""

    state: ScanState
    severity: ScanSeverity | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """A tag of a repository and what stands under it now. `digest`: empty where a registry tells it only when it is
    asked for that tag. `pushed_at`: when the digest came to stand under the tag (aware, UTC), by a push or otherwise;
    None where a registry does not tell.
    """

    tag: str
    digest: str = ""
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """What an image says of itself: its OCI labels (of the first platform of an index)."""

    labels: Mapping[str, str] = field(default_factory=dict)
