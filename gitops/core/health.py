"""Health of one live object: Healthy < Suspended < Progressing < Missing < Degraded < Unknown, worst wins."""

from enum import IntEnum


class Health(IntEnum):
    """Ordered so that `max` is the worst. The set is gitops-engine's."""

    HEALTHY = 0
    SUSPENDED = 1
    PROGRESSING = 2
    MISSING = 3
    DEGRADED = 4
    UNKNOWN = 5

    def __str__(self) -> str:
        return self.name.capitalize()
