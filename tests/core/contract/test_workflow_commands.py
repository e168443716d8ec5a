"""Workflow commands: the text of a message never becomes a command or another property."""

import pytest

from gitops.core.contract.workflow_commands import format_annotation
from gitops.core.errors import Place


@pytest.mark.parametrize(
    ("message", "place", "expected"),
    [
        ("no", Place("a/b.yaml", 3), "::error file=a/b.yaml,line=3::no"),
        ("no", Place("a/b.yaml"), "::error file=a/b.yaml::no"),
        ("50%\r\n::stop-commands::x", Place("k", 1), "::error file=k,line=1::50%25%0D%0A::stop-commands::x"),
        ("no", Place("a,line=9:%\n.yaml", 1), "::error file=a%2Cline=9%3A%25%0A.yaml,line=1::no"),
    ],
)
def test_workflow_command_is_one_line_and_starts_no_other(message: str, place: Place, expected: str) -> None:
    assert format_annotation(message, place, is_error=True) == expected


def test_workflow_command_of_a_warning() -> None:
    assert format_annotation("no", Place("k"), is_error=False) == "::warning file=k::no"
