"""Tones: how urgently a health, a sync or a missing image wants attention."""

from enum import StrEnum

from gitops.core.health import Health
from gitops.core.sync import missing_images
from gitops.core.sync.status import Sync


class StatusTone(StrEnum):
    """From calm to urgent. The page shows a tone together with a word and a shape, never by colour alone."""

    OK = "ok"
    OFF = "off"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"

    @property
    def rank(self) -> int:
        return list(StatusTone).index(self)


HEALTH_TONES = {
    Health.HEALTHY: StatusTone.OK,
    Health.SUSPENDED: StatusTone.OFF,
    Health.PROGRESSING: StatusTone.BUSY,
    Health.MISSING: StatusTone.BAD,
    Health.DEGRADED: StatusTone.BAD,
    Health.UNKNOWN: StatusTone.WARN,
}
SYNC_TONES = {Sync.SYNCED: StatusTone.OK, Sync.OUT_OF_SYNC: StatusTone.WARN, Sync.UNKNOWN: StatusTone.WARN}
MISSING_TONES = {
    missing_images.IN_USE: StatusTone.BAD,
    missing_images.IN_REACH: StatusTone.WARN,
    missing_images.PROVEN: StatusTone.WARN,
}
"""For images that the registry no longer has. Running pods keep running, so the overlay's health does not change."""
