from io import StringIO

import pytest
from rich.console import Console

from gitops.local import progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


def test_without_a_terminal_a_step_is_a_line_at_each_end() -> None:
    told = StringIO()
    with progress.step(Console(file=told), "building etcd"):
        assert told.getvalue() == "building etcd ...\n"
    begun, ended = told.getvalue().splitlines()
    assert begun == "building etcd ..."
    assert ended.startswith("building etcd: 0.")


def test_a_failed_step_says_so_and_lets_the_error_pass() -> None:
    told = StringIO()
    with pytest.raises(ValueError, match="no"), progress.step(Console(file=told), "building etcd"):
        raise ValueError("no")
    assert "building etcd: failed after 0." in told.getvalue()
