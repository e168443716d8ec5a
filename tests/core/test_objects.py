"""Keys of Kubernetes objects."""

from typing import Any

import pytest

from gitops.core.objects import Key, key


@pytest.mark.parametrize(
    ("body", "expected", "text"),
    [
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "order", "namespace": "dev"}},
            Key("apps", "Deployment", "dev", "order"),
            "Deployment.apps dev/order",
        ),
        (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev", "namespace": None}},
            Key("", "Namespace", "", "dev"),
            "Namespace dev",
        ),
    ],
)
def test_key_of_a_body(body: dict[str, Any], expected: Key, text: str) -> None:
    assert key(body) == expected
    assert str(expected) == text
