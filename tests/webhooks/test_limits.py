"""Rate limits and log tallies, with a clock that only a test moves."""

from webhooks.limits import Rate, Tally, TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_token_bucket_allows_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(Rate(per_second=2, burst=3), clock)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert bucket.take() == 0
    assert bucket.take() > 0
    clock.now += 3600
    assert [bucket.take() > 0 for _ in range(4)] == [False, False, False, True]


def test_tally_reports_the_first_event_and_then_a_count_a_minute() -> None:
    clock = Clock()
    tally = Tally(clock)
    assert [tally.due("a") for _ in range(1000)] == [1] + [0] * 999
    assert tally.due("b") == 1
    clock.now += 59
    assert tally.due("a") == 0
    clock.now += 1
    assert tally.due("a") == 1001
    assert tally.due("a") == 0
