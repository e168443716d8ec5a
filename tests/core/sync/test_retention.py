"""When generated ConfigMaps and Secrets that left git may be pruned, as a table."""

import pytest

from gitops.core.objects import Key
from gitops.core.sync import retention

OLD = Key("", "ConfigMap", "shop-dev", "order-config-2t9b5g7h4k")
NEW = Key("", "ConfigMap", "shop-dev", "order-config-7h4k2t9b5g")
PLAIN = Key("", "ConfigMap", "shop-dev", "settings")


@pytest.mark.parametrize(
    ("members", "is_healthy", "since_asked", "expected"),
    [
        ({OLD, NEW}, True, None, True),
        ({OLD, NEW}, True, 599.0, False),
        ({OLD, NEW}, True, 600.0, True),
        ({OLD, NEW}, False, None, False),
        ({OLD, NEW}, False, 600.0, False),
        ({NEW}, True, None, False),
        ({NEW, PLAIN}, True, None, False),
    ],
    ids=["healthy", "just-asked", "asked-long-ago", "not-healthy", "not-healthy-asked", "none-left", "not-generated"],
)
def test_retention(members: set[Key], since_asked: float | None, *, is_healthy: bool, expected: bool) -> None:
    assert retention.may_prune(members, {NEW}, is_healthy=is_healthy, since_asked=since_asked) is expected
