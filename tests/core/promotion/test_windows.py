"""Windows on clocks of their own time zone: what is open, and when the next chance is."""

from datetime import datetime

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.environments import Window, Windows
from gitops.core.errors import Rejected
from gitops.core.promotion.windows import is_open, next_opening


def window(cron: str, duration: str, timezone: str = "UTC") -> Window:
    return Window.model_validate({"cron": cron, "duration": duration, "timezone": timezone})


WORK = window("0 10 * * 1-4", "7h", "Asia/Shanghai")
NIGHT = window("0 23 * * *", "4h")
FREEZE = window("0 0 20 12 *", "14d")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        (Windows(), "2026-11-23T03:00:00Z", "2026-11-23T03:00:00Z"),
        # Monday 11:00 in Shanghai is 03:00 in UTC.
        (Windows(allow=(WORK,)), "2026-11-23T03:00:00Z", "2026-11-23T03:00:00Z"),
        (Windows(allow=(WORK,)), "2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"),
        (Windows(allow=(WORK,)), "2026-11-23T01:59:59.500000Z", "2026-11-23T02:00:00Z"),
        # It closes at 17:00 sharp, and Thursday's is the last of the week.
        (Windows(allow=(WORK,)), "2026-11-26T09:00:00Z", "2026-11-30T02:00:00Z"),
        # Over midnight.
        (Windows(allow=(NIGHT,)), "2026-11-24T02:59:59Z", "2026-11-24T02:59:59Z"),
        (Windows(allow=(NIGHT,)), "2026-11-24T03:00:00Z", "2026-11-24T23:00:00Z"),
        # Deny wins, and the message names a moment at which both agree.
        (Windows(deny=(FREEZE,)), "2026-12-24T00:00:00Z", "2027-01-03T00:00:00Z"),
        (Windows(allow=(WORK,), deny=(FREEZE,)), "2026-12-24T03:00:00Z", "2027-01-04T02:00:00Z"),
        # One deny window takes over from another.
        (Windows(deny=(NIGHT, window("0 2 * * *", "3h"))), "2026-11-24T00:00:00Z",
         "2026-11-24T05:00:00Z"),
    ],
)  # fmt: skip
def test_the_next_opening(windows: Windows, now: str, opens: str) -> None:
    assert next_opening(windows, at(now)) == at(opens)
    assert is_open(windows, at(now)) is (now == opens)


def test_daylight_saving_moves_the_hour_in_utc_not_on_the_wall() -> None:
    berlin = Windows(allow=(window("0 9 * * *", "1h", "Europe/Berlin"),))
    assert next_opening(berlin, at("2026-03-28T12:00:00Z")) == at("2026-03-29T07:00:00Z")
    assert next_opening(berlin, at("2026-03-27T12:00:00Z")) == at("2026-03-28T08:00:00Z")


def test_an_hour_that_does_not_exist_opens_once_at_the_next_that_does() -> None:
    berlin = Windows(allow=(window("30 2 * * *", "10m", "Europe/Berlin"),))
    assert next_opening(berlin, at("2026-03-29T00:00:00Z")) == at("2026-03-29T01:00:00Z")


def test_what_is_denied_for_ever_never_opens() -> None:
    always = window("* * * * *", "1h")
    assert next_opening(Windows(deny=(always,)), at("2026-11-23T00:00:00Z")) is None


@pytest.mark.parametrize("cron", ["0 25 * * *", "0 0 31 2 *", "61 * * * *", "0 0 * * 9"])
def test_a_cron_that_names_no_moment_is_refused_with_its_line(cron: str) -> None:
    text = f"""environments:
  dev: {{namespace: shop-dev}}
  prod:
    namespace: shop-prod
    after: dev
    promote:
      when: proven
      windows:
        allow:
        - {{cron: "{cron}", duration: 1h}}
"""
    with pytest.raises(Rejected, match=r"environments/pipeline\.yaml:10: .*names no moment"):
        pipeline.parse(text.encode())
