"""The threads of one listener: as many as requests wait at the same time, and soon no more."""

import time
from typing import Any

from waitress.task import ThreadedTaskDispatcher


class Dispatcher(ThreadedTaskDispatcher):
    """Starts a thread if more requests wait than threads, up to `most`. Ends threads that were not needed for `idle`
    seconds: a thousand sleeping threads cost memory.
    """

    def __init__(self, most: int, idle: float) -> None:
        super().__init__()
        self._most = most
        self._idle = idle
        self._needed = 0
        self._needed_since = time.monotonic()

    def add_task(self, task: Any) -> None:
        with self.lock:
            running = len(self.threads) - self.stop_count
            wanted = self.active_count + len(self.queue) + 1
        self._needed = max(self._needed, wanted)
        if running < wanted and running < self._most:
            self.set_thread_count(running + 1)
        super().add_task(task)

    def let_go(self, now: float) -> None:
        if now - self._needed_since < self._idle:
            return
        with self.lock:
            running = len(self.threads) - self.stop_count
            kept = max(self._needed, self.active_count, 1)
        self._needed, self._needed_since = 0, now
        if kept < running:
            self.set_thread_count(kept)
