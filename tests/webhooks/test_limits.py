"""Rate limits and log tallies, with a clock that only a test moves."""

from tests.worlds.clocks import Stopwatch, WorldClock
from webhooks.limits import Rate, Tally, TokenBucket


def test_token_bucket_allows_a_burst_and_then_its_rate() -> None:
    stopwatch = Stopwatch()
    bucket = TokenBucket(Rate(per_second=2, burst=3), WorldClock(monotonic=stopwatch))
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    stopwatch.seconds += 0.5
    assert bucket.take() == 0
    assert bucket.take() > 0
    stopwatch.seconds += 3600
    assert [bucket.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_tally_reports_the_first_event_and_then_a_count_a_minute() -> None:
    stopwatch = Stopwatch()
    tally = Tally(WorldClock(monotonic=stopwatch))
    assert [tally.due("a") for _ in range(1000)] == [1] + [0] * 999
    assert tally.due("b") == 1
    stopwatch.seconds += 59
    assert tally.due("a") == 0
    stopwatch.seconds += 1
    assert tally.due("a") == 1001
    assert tally.due("a") == 0
