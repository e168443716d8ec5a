"""One backoff for everything that is tried again, by literals."""

import pytest

from gitops.core import backoff


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (10, 256.0), (9999, 300.0)])
def test_backoff_doubles_up_to_its_limit(failures: int, seconds: float) -> None:
    assert backoff.pause(failures, first=0.5, longest=300.0) == seconds


@pytest.mark.parametrize(
    ("waited", "expected"), [(0.0, 10.0), (10.0, 20.0), (120.0, 240.0), (400.0, 600.0), (3600.0, 600.0)]
)
def test_longer_doubles_the_pause_before_it(waited: float, expected: float) -> None:
    assert backoff.longer(waited, first=10.0, longest=600.0) == expected
