"""Names with the hash that kustomize generates. The hashes come from kustomize itself."""

import base64
from typing import Any

import pytest

from gitops.core.contract.comparison.generated_names import strip_generated_hash
from tests.worlds.surveys import check_alone, config, contract

NOTHING = contract()
X, TWO = (base64.b64encode(text).decode() for text in (b"x", b"2"))


def body(kind: str, name: str, data: dict[str, str], api_version: str = "v1", **more: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "data": data, **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (body("ConfigMap", "c-6ct58987ht", {}), "c"),
        (body("ConfigMap", "c-9g67k2htb6", {"one": ""}), "c"),
        (body("ConfigMap", "c-tb6c94d2c6", {"A": "<b>&c", "B": "2"}), "c"),
        (body("Secret", "s-74bd68bm66", {"one": ""}, type="my-type"), "s"),
        (body("Secret", "s-m6dd8fmf82", {"A": X, "B": TWO}, type="Opaque"), "s"),
        (body("ConfigMap", "c-9g67k2htb6", {"one": "other"}), "c-9g67k2htb6"),
        (body("Deployment", "d-9g67k2htb6", {"one": ""}), "d-9g67k2htb6"),
        (body("ConfigMap", "c-9g67k2htb6", {"one": ""}, "example.com/v1"), "c-9g67k2htb6"),
        (body("ConfigMap", "settings", {"one": ""}), "settings"),
    ],
)
def test_generated_names_lose_their_hash(given: dict[str, Any], expected: str) -> None:
    assert strip_generated_hash(given) == expected


def test_generated_names_are_not_those_written_by_hand() -> None:
    assert [each[0] for each in check_alone(config("a-gk96h77hgt"), config("a"), NOTHING)] == ["Presence", "Presence"]
