"""The text of a revision."""

import pytest

from gitops.core.revision import Revision

A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(("revision", "text"), [(Revision(A, A), "a" * 12), (Revision(A, B), f"{'a' * 12}+{'b' * 12}")])
def test_revision_is_short_for_people(revision: Revision, text: str) -> None:
    assert str(revision) == text
