"""The workqueue: no pass is lost, doubled or overlapping; failures are retried; an exception ends no worker."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from gitops.core.errors import Conflict, Rejected, Unavailable
from gitops.runtime.workqueue import Backoff, Workqueue

LONG = 10.0


class Recorder:
    """Pass function that counts passes. `hold` keeps passes open, `until` waits for a number of finished passes."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.most = 0
        self.hold = threading.Event()
        self.hold.set()
        self.entered = threading.Event()
        self.changed = threading.Condition()
        self.behave: Callable[[str], float | None] = lambda _: None

    def __call__(self, name: str) -> float | None:
        with self.changed:
            self.running[name] += 1
            self.most = max(self.most, self.running[name])
        self.entered.set()
        self.hold.wait(LONG)
        try:
            return self.behave(name)
        finally:
            with self.changed:
                self.running[name] -= 1
                self.done[name] += 1
                self.changed.notify_all()

    def until(self, name: str, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.done[name] >= count, LONG)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def queue(recorder: Recorder) -> Iterator[Workqueue]:
    made = Workqueue(backoff=Backoff(lambda: 0.0, first=0.01, most=0.05), clock=time.monotonic, workers=3)
    made.start(recorder)
    yield made
    recorder.hold.set()
    made.stop(LONG)


def idle(queue: Workqueue, recorder: Recorder) -> bool:
    with recorder.changed:
        return recorder.changed.wait_for(queue.is_idle, LONG)


def test_workqueue_runs_a_name_added_during_its_pass_once_more(queue: Workqueue, recorder: Recorder) -> None:
    recorder.hold.clear()
    queue.add("dev")
    assert recorder.entered.wait(LONG)
    for _ in range(50):
        queue.add("dev")
    recorder.hold.set()
    assert recorder.until("dev", 2)
    queue.add("fence")
    assert recorder.until("fence", 1)
    assert recorder.done["dev"] == 2


def test_workqueue_runs_a_waiting_name_once(recorder: Recorder) -> None:
    queue = Workqueue(backoff=Backoff(lambda: 0.0), clock=time.monotonic, workers=1)
    for _ in range(100):
        queue.add("dev")
    queue.add("fence")
    queue.start(recorder)
    assert recorder.until("fence", 1)
    queue.stop(LONG)
    assert recorder.done["dev"] == 1


def test_workqueue_never_overlaps_passes_of_one_name(queue: Workqueue, recorder: Recorder) -> None:
    adders = [threading.Thread(target=lambda: [queue.add("dev") for _ in range(200)]) for _ in range(4)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join(LONG)
    assert idle(queue, recorder)
    assert recorder.most == 1
    assert recorder.done["dev"] >= 1


def test_workqueue_runs_other_names_while_one_is_blocked(queue: Workqueue, recorder: Recorder) -> None:
    gate = threading.Event()
    recorder.behave = lambda name: (gate.wait(LONG), None)[1] if name == "slow" else None
    queue.add("slow")
    queue.add("slow")
    for name in ("a", "b", "c", "d"):
        queue.add(name)
    for name in ("a", "b", "c", "d"):
        assert recorder.until(name, 1)
    gate.set()
    assert recorder.until("slow", 1)


@pytest.mark.parametrize(
    "error",
    [Unavailable("Down", "x"), Conflict("Moved", "x"), Rejected("Wrong", "x"), RuntimeError("a bug")],
    ids=["unavailable", "conflict", "rejected", "bug"],
)
def test_workqueue_retries_a_failed_pass_and_runs_other_names(
    queue: Workqueue, recorder: Recorder, error: Exception
) -> None:
    def fail_twice(name: str) -> None:
        if name == "dev" and recorder.done["dev"] < 2:
            raise error

    recorder.behave = fail_twice
    queue.add("dev")
    queue.add("prod")
    assert recorder.until("prod", 1)
    assert recorder.until("dev", 3)


def test_workqueue_runs_a_pass_again_after_the_returned_time(queue: Workqueue, recorder: Recorder) -> None:
    recorder.behave = lambda name: 0.01 if recorder.done[name] < 4 else None
    queue.add("dev")
    assert recorder.until("dev", 5)
    assert idle(queue, recorder)
    assert recorder.done["dev"] == 5


def test_workqueue_replaces_a_later_time_by_an_earlier_one(queue: Workqueue, recorder: Recorder) -> None:
    queue.add("dev", after=3600)
    queue.add("dev")
    assert recorder.until("dev", 1)
    assert queue.depth() == 0


def test_workqueue_stop_ends_the_workers_while_names_wait(recorder: Recorder) -> None:
    queue = Workqueue(backoff=Backoff(lambda: 0.0), clock=time.monotonic, workers=2)
    queue.start(recorder)
    queue.add("dev", after=3600)
    before = threading.active_count()
    queue.stop(LONG)
    assert threading.active_count() == before - 2


def test_backoff_doubles_up_to_its_limit_and_adds_jitter() -> None:
    backoff = Backoff(lambda: 0.5, first=1.0, most=10.0)
    assert [round(backoff.seconds(n), 2) for n in (1, 2, 3, 4, 5, 500)] == [1.1, 2.2, 4.4, 8.8, 11.0, 11.0]
