"""Expressions from a config repo: what they mean, what they may not be, and that none of them stops the process."""

import pytest

from gitops.core.parsing import regex


def test_regex_matches() -> None:
    assert regex.is_in("b+", "abbc")
    assert not regex.is_in("^b", "abbc")
    assert regex.whole(r"main-(?P<build>\d+)", "main-17") == ("17",)
    assert regex.whole(r"main-\d+", "main-17x") is None
    assert regex.whole(r"main-\d+$", "main-17\n") is None
    assert regex.groups(r"(\d+)-(\d+)") == 2


@pytest.mark.parametrize("expression", ["(", "(?=a)", r"(a)\1", "a{1001}"])
def test_regex_errors(expression: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression of RE2"):
        regex.require(expression)


def test_regex_with_nested_repetitions_ends() -> None:
    """Python's own engine would take longer than anybody lives."""
    assert not regex.is_in("^(a+)+$", "a" * 50_000 + "b")
    assert regex.whole("(a|a)*", "a" * 50_000) is not None
