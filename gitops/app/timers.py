"""Work at fixed intervals: polls the remote, and adds every overlay for another pass."""

from apscheduler.schedulers.background import BackgroundScheduler

from gitops.app.event_handlers import OverlayQueue
from gitops.ports import Queue, Task

RECHECK_SECONDS = 300


class Timers:
    """Started once and stopped once. Implements ports.Loop."""

    def __init__(self, tasks: Queue, passes: OverlayQueue, poll_seconds: float) -> None:
        self._tasks = tasks
        self._passes = passes
        self._poll_seconds = poll_seconds
        self._scheduler = BackgroundScheduler(timezone="UTC")

    def start(self) -> None:
        poll = self._poll_seconds
        self._scheduler.add_job(
            self._tasks.add, "interval", args=[Task.FETCH], seconds=poll, jitter=max(1, int(poll / 10))
        )
        self._scheduler.add_job(self._passes.recheck_all, "interval", seconds=RECHECK_SECONDS, jitter=30)
        self._scheduler.start()

    def stop(self) -> None:
        """Does not wait for a job that runs."""
        self._scheduler.shutdown(wait=False)

    def is_alive(self) -> bool:
        return bool(self._scheduler.running)
