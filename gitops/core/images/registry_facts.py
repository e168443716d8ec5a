"""Facts that a registry knows about its images: scans, tags and labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum


class ScanSeverity(IntEnum):
    """The worst finding of a vulnerability scan, in Harbor's words. Harbor's Unknown is missing here: it is unrated.

    https://github.com/goharbor/harbor/blob/main/src/pkg/scan/vuln/severity.go
    """

    NONE = 0
    NEGLIGIBLE = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class ScanState(StrEnum):
    """`ABSENT`: not scanned, or only for an SBOM. `RUNNING` includes pending and scheduled."""

    ABSENT = "absent"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Scan:
    """The vulnerability scan of one digest. `severity` is None unless the scan is done and rated."""

    state: ScanState
    severity: ScanSeverity | None = None


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """A tag of a repository and its digest now. `digest` is empty if the registry's list of tags has no digests.
    `pushed_at`: when the tag got this digest, by a push or otherwise (aware, UTC); None if the registry has no time.
    """

    tag: str
    digest: str = ""
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """The OCI labels of an image; of the first platform of an index."""

    labels: Mapping[str, str] = field(default_factory=dict)
