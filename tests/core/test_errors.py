"""The text of errors."""

import pytest

from gitops.core.errors import Conflict, GitopsError, Place, Rejected, Unavailable


@pytest.mark.parametrize(("place", "text"), [(Place("a.yaml"), "a.yaml"), (Place("a.yaml", 7), "a.yaml:7")])
def test_place(place: Place, text: str) -> None:
    assert str(place) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Rejected("InvalidYaml", "is not YAML", place=Place("a.yaml", 7)), "a.yaml:7: is not YAML"),
        (Conflict("HeadMoved", "main has moved"), "main has moved"),
        (Unavailable("Timeout", "no answer", retry_after=3), "no answer"),
    ],
)
def test_error_says_its_place_and_message(error: GitopsError, text: str) -> None:
    assert str(error) == text
    assert error.message in text


def test_unavailable_has_the_seconds_that_the_party_named() -> None:
    assert Unavailable("Throttled", "try later", retry_after=1.5).retry_after == 1.5
    assert Unavailable("Timeout", "no answer").retry_after is None
