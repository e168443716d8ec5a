"""A push that the remote refused is tried again after ever longer pauses, by literals."""

from datetime import timedelta

import pytest

from gitops.core.promotion.push_refusal import PushRefusal, count_refusal
from tests.worlds.promotion_values import NOW


def after(count: int) -> PushRefusal:
    found = None
    for _ in range(count):
        found = count_refusal(found, "protected branch", NOW)
    assert found is not None
    return found


@pytest.mark.parametrize(("count", "minutes"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (100, 60)])
def test_the_pause_doubles_from_a_minute_to_an_hour(count: int, minutes: int) -> None:
    assert after(count).until == NOW + timedelta(minutes=minutes)


def test_it_forbids_another_push_until_the_pause_is_over() -> None:
    refusal = after(1)
    assert refusal.forbids(NOW + timedelta(seconds=59))
    assert not refusal.forbids(NOW + timedelta(seconds=60))


def test_the_page_tells_the_hosts_words_and_the_next_try() -> None:
    assert str(after(1)) == "not promoted: protected branch; tried again at 2026-11-23 08:01 UTC"
