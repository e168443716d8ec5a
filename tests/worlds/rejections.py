"""The reason and place of a Rejected, to be compared with a literal."""

from collections.abc import Callable

import pytest

from gitops.core.errors import Rejected


def rejection(call: Callable[[], object]) -> tuple[str, str]:
    """Return reason and place (`file:line`) of the Rejected that the call raises."""
    with pytest.raises(Rejected) as caught:
        call()
    return caught.value.reason, str(caught.value.place)
