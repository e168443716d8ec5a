"""Expressions from a config repo: what they mean, what they may not be, and that none of them stops the process."""

import pytest

from gitops.core.parsing import regex as expressions


def test_what_they_mean() -> None:
    assert expressions.is_in("b+", "abbc")
    assert not expressions.is_in("^b", "abbc")
    assert expressions.whole(r"main-(?P<build>\d+)", "main-17") == ("17",)
    assert expressions.whole(r"main-\d+", "main-17x") is None
    assert expressions.whole(r"main-\d+$", "main-17\n") is None
    assert expressions.groups(r"(\d+)-(\d+)") == 2


@pytest.mark.parametrize("expression", ["(", "(?=a)", r"(a)\1", "a{1001}"])
def test_what_they_may_not_be(expression: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression of RE2"):
        expressions.require(expression)


def test_repetitions_of_repetitions_come_to_an_end() -> None:
    """Python's own engine would take longer than anybody lives."""
    assert not expressions.is_in("^(a+)+$", "a" * 50_000 + "b")
    assert expressions.whole("(a|a)*", "a" * 50_000) is not None
