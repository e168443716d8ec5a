from io import StringIO

import pytest
from rich.console import Console

from gitops.local import terminal


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s")],
)
def test_duration_in_words(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text


def test_step_without_a_terminal_prints_a_line_at_each_end() -> None:
    printed = StringIO()
    with terminal.step(Console(file=printed), "building etcd"):
        assert printed.getvalue() == "building etcd ...\n"
    begun, ended = printed.getvalue().splitlines()
    assert begun == "building etcd ..."
    assert ended.startswith("building etcd: 0.")


def test_step_that_fails_says_so_and_raises() -> None:
    printed = StringIO()
    with pytest.raises(ValueError, match="no"), terminal.step(Console(file=printed), "building etcd"):
        raise ValueError("no")
    assert "building etcd: failed after 0." in printed.getvalue()
