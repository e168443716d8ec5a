"""Drift is healed at once; a fight is fought ever more slowly."""

from hypothesis import given
from hypothesis import strategies as st

from gitops.core.objects import Key
from gitops.core.sync import heal_backoff


def test_heal_backoff_has_no_pause_for_the_first_heals() -> None:
    for count in range(heal_backoff.CALM):
        assert heal_backoff.wait([100.0 + n for n in range(count)], 106.0) == 0.0


def test_heal_backoff_of_a_fight_grows() -> None:
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


def test_heal_backoff_ends_after_a_long_calm() -> None:
    assert heal_backoff.wait([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 10_000.0) == 0.0


@given(st.lists(st.floats(0, 1e6), max_size=30).map(sorted), st.floats(0, 2e6))
def test_heal_backoff_is_never_negative_nor_above_its_limit(heals: list[float], now: float) -> None:
    assert 0.0 <= heal_backoff.wait([time for time in heals if time <= now], now) <= 300.0


APP = Key("apps", "Deployment", "shop-dev", "order")
WEB = Key("apps", "Deployment", "shop-dev", "web")


def test_heal_backoff_records_heals_and_drops_the_oldest() -> None:
    heals = {APP: tuple(float(n) for n in range(20)), WEB: (3.0,)}
    assert heal_backoff.record(heals, [APP], 20.0) == {APP: tuple(float(n) for n in range(1, 21)), WEB: (3.0,)}
    assert heal_backoff.record({}, [WEB], 1.0) == {WEB: (1.0,)}


def test_heal_backoff_leaves_out_objects_that_may_be_healed_at_once() -> None:
    fought = tuple(100.0 + n for n in range(5))
    assert heal_backoff.waits({APP: fought, WEB: (100.0,)}, 105.0) == {APP: 1.0}
