"""One backoff for everything that is tried again, by literals."""

import pytest

from gitops.core import backoff


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (10, 256.0), (9999, 300.0)])
def test_backoff_doubles_up_to_its_limit(failures: int, seconds: float) -> None:
    assert backoff.pause(failures, first=0.5, longest=300.0) == seconds
