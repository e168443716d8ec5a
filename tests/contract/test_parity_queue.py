"""The parity queue compares each pair once per head, in a worker. A caller gets the known answer at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from gitops.contract.parity_queue import MOST_KEPT, MOST_WAITING, ParityParties, ParityQueue
from gitops.core.config_repo.layout import Overlay
from gitops.core.contract.parity import DifferenceStatus, EnvironmentPair, ParityFinding
from gitops.core.errors import Rejected, Unavailable
from gitops.core.objects import Key
from tests.worlds.ports import Names

NOW = datetime(2026, 3, 5, tzinfo=UTC)
UNDECLARED = ParityFinding(DifferenceStatus.UNDECLARED, Key("", "ConfigMap", "x", "y"), "/data/a", "v" * 9999, None)
PENDING = ParityFinding(DifferenceStatus.PENDING, Key("", "ConfigMap", "x", "y"), "/data/b", "1", "2")


@dataclass
class World:
    """A trunk, a queue that the test works off, and a comparison that takes `seconds`."""

    head: str = "one"
    seconds: float = 3.0
    seconds_now: float = 100.0
    wrong: Exception | None = None
    found: tuple[ParityFinding, ...] = (UNDECLARED, PENDING)
    questions: Names = field(default_factory=Names)
    compared: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.comparisons = ParityQueue(ParityParties(self, _Trunk(self), self.questions, self))

    @property
    def queue(self) -> list[str]:
        return self.questions.names

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds_now

    def parity(self, head: str, a: str, b: str) -> Sequence[EnvironmentPair]:
        self.compared.append((head, a, b))
        self.seconds_now += self.seconds
        if self.wrong is not None:
            raise self.wrong
        return [EnvironmentPair(a, b, self.found)]

    def work(self) -> None:
        """Compare every waiting pair; move the clock on to the time when each may run."""
        while self.queue:
            wait = self.comparisons.work(self.queue[0])
            if wait is None:
                self.queue.pop(0)
            else:
                self.seconds_now += wait


@dataclass(frozen=True)
class _Trunk:
    world: World

    def head(self) -> str:
        return self.world.head

    def overlays(self) -> Mapping[str, Overlay]:
        return {}


def test_parity_is_queued_by_the_first_question_and_known_by_the_next() -> None:
    world = World()
    first = world.comparisons.of("dev", "prod")
    assert (first.compared, first.is_current, first.asked_at) == (None, False, NOW)
    assert world.compared == []

    world.work()
    found = world.comparisons.of("dev", "prod")
    assert found.compared is not None
    assert (found.is_current, found.asked_at, found.compared.head) == (True, None, "one")
    assert found.compared.counts == {
        DifferenceStatus.DECLARED: 0,
        DifferenceStatus.PENDING: 1,
        DifferenceStatus.UNDECLARED: 1,
    }


def test_parity_of_a_pair_is_compared_once_per_head() -> None:
    world = World()
    for _ in range(50):
        world.comparisons.of("dev", "prod")
    assert world.queue == ["dev prod"]
    world.work()
    for _ in range(50):
        world.comparisons.of("dev", "prod")
    assert world.compared == [("one", "dev", "prod")]
    assert world.queue == []


def test_parity_of_the_old_head_is_shown_until_the_new_one_is_known() -> None:
    world = World()
    world.comparisons.of("dev", "prod")
    world.work()
    world.head = "two"

    old = world.comparisons.of("dev", "prod")
    assert old.compared is not None
    assert (old.compared.head, old.is_current, old.asked_at) == ("one", False, NOW)
    world.work()
    new = world.comparisons.of("dev", "prod").compared
    assert new is not None
    assert new.head == "two"


def test_parity_known_does_not_queue_a_comparison() -> None:
    world = World()
    assert world.comparisons.known("dev", "prod").asked_at is None
    assert world.queue == []


def test_parity_queue_and_its_answers_are_bounded() -> None:
    world = World(seconds=0.0)
    pairs = [(f"a{number}", f"b{number}") for number in range(500)]
    states = [world.comparisons.of(*pair) for pair in pairs]
    assert len(world.queue) == MOST_WAITING
    assert sum(state.asked_at is not None for state in states) == MOST_WAITING

    for pair in pairs:
        world.comparisons.of(*pair)
        world.work()
    assert sum(world.comparisons.known(*pair).compared is not None for pair in pairs) == MOST_KEPT


def test_parity_worker_rests_as_long_as_it_worked() -> None:
    world = World(seconds=3.0)
    world.comparisons.of("dev", "test")
    world.comparisons.of("dev", "prod")
    assert world.comparisons.work("dev test") is None
    assert world.comparisons.work("dev prod") == 3.0
    assert world.compared == [("one", "dev", "test")]


def test_parity_that_is_refused_counts_as_undeclared_and_says_why() -> None:
    world = World(wrong=Rejected("InvalidPipeline", "line 3: no"))
    world.comparisons.of("dev", "prod")
    world.work()
    found = world.comparisons.of("dev", "prod").compared
    assert found is not None
    assert found.trouble == "InvalidPipeline: line 3: no"
    assert found.counts[DifferenceStatus.UNDECLARED] == 1


def test_parity_that_is_unavailable_is_tried_again_by_the_queue() -> None:
    world = World(wrong=Unavailable("GitFailed", "not now"))
    world.comparisons.of("dev", "prod")
    with pytest.raises(Unavailable):
        world.comparisons.work("dev prod")
    assert world.comparisons.of("dev", "prod").asked_at == NOW

    world.wrong = None
    world.work()
    assert world.comparisons.of("dev", "prod").is_current


def test_parity_is_not_queued_before_the_first_fetch() -> None:
    world = World(head="")
    assert world.comparisons.of("dev", "prod").asked_at is None
    assert world.queue == []


def test_parity_with_many_findings_keeps_the_undeclared_ones() -> None:
    world = World(found=(PENDING,) * 2000 + (UNDECLARED,))
    world.comparisons.of("dev", "prod")
    world.work()
    found = world.comparisons.of("dev", "prod").compared
    assert found is not None
    assert found.counts[DifferenceStatus.PENDING] == 2000
    assert found.left_out == 1001
    kept = found.pairs[0].findings
    assert kept[0].status is DifferenceStatus.UNDECLARED
    assert len(kept[0].a or "") == 2000
