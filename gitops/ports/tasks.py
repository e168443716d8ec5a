"""The names of the tasks. Not here: the work of each one (gitops.app.tasks)."""

from enum import StrEnum


class Task(StrEnum):
    """A name in the queue `tasks`: work that concerns the whole config repo. Logs show these names."""

    FETCH = "fetch"
    REFRESH = "refresh"
    LEAD = "lead"
    TAGS = "tags"
    PROMOTE = "promote"
    TELL = "tell"
    SWEEP = "sweep"
