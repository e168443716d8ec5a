"""Drift is healed at once; a fight is fought ever more slowly."""

from hypothesis import given
from hypothesis import strategies as st

from gitops.core.objects import Key
from gitops.core.sync import heal_backoff


def test_the_first_heals_are_at_once() -> None:
    for count in range(heal_backoff.CALM):
        assert heal_backoff.wait([100.0 + n for n in range(count)], 106.0) == 0.0


def test_a_fight_waits_longer_each_time() -> None:
    heals: list[float] = []
    now = 0.0
    pauses = []
    for _ in range(12):
        pause = heal_backoff.wait(heals, now)
        pauses.append(pause)
        now += pause + 0.01
        heals.append(now)
    assert pauses[: heal_backoff.CALM] == [0.0] * heal_backoff.CALM
    assert all(
        later > earlier
        for earlier, later in zip(pauses[heal_backoff.CALM :], pauses[heal_backoff.CALM + 1 :], strict=False)
    )


def test_a_long_calm_forgets_the_fight() -> None:
    assert heal_backoff.wait([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 10_000.0) == 0.0


@given(st.lists(st.floats(0, 1e6), max_size=30).map(sorted), st.floats(0, 2e6))
def test_the_wait_is_never_negative_nor_above_its_limit(heals: list[float], now: float) -> None:
    assert 0.0 <= heal_backoff.wait([time for time in heals if time <= now], now) <= 300.0


APP = Key("apps", "Deployment", "shop-dev", "order")
WEB = Key("apps", "Deployment", "shop-dev", "web")


def test_heals_are_recorded_and_the_oldest_are_dropped() -> None:
    heals = {APP: tuple(float(n) for n in range(20)), WEB: (3.0,)}
    assert heal_backoff.record(heals, [APP], 20.0) == {APP: tuple(float(n) for n in range(1, 21)), WEB: (3.0,)}
    assert heal_backoff.record({}, [WEB], 1.0) == {WEB: (1.0,)}


def test_waits_leave_out_what_may_be_healed_at_once() -> None:
    fought = tuple(100.0 + n for n in range(5))
    assert heal_backoff.waits({APP: fought, WEB: (100.0,)}, 105.0) == {APP: 1.0}
