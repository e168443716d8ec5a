"""A violation in words."""

from dataclasses import replace

import pytest

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.errors import Place
from gitops.core.objects import Key

KEY = Key("apps", "Deployment", "shop", "order")
ONE = Violation(ViolationKind.UNDECLARED, ViolationSeverity.FORBID, "prod", KEY, "/spec/a", None, "x", "why", "do this")


def test_violation_on_one_line() -> None:
    assert str(ONE) == "Deployment.apps shop/order /spec/a: why; do this"
    assert str(ONE.at(Place("k.yaml", 3))) == "Deployment.apps shop/order /spec/a: why (k.yaml:3); do this"
    assert str(replace(ONE, field="")) == "Deployment.apps shop/order: why; do this"


def test_violation_on_several_lines() -> None:
    assert ONE.at(Place("k.yaml", 3)).lines() == (
        "forbid: Deployment.apps shop/order  /spec/a",
        "base: (nothing)   prod: x",
        "why",
        "most probably set in k.yaml:3",
        "do this",
    )


@pytest.mark.parametrize("kind", [ViolationKind.FOREIGN, ViolationKind.UNPINNED, ViolationKind.UNPROVEN])
def test_violation_of_one_side_shows_one_value(kind: ViolationKind) -> None:
    assert replace(ONE, kind=kind).lines()[1] == "prod: x"


def test_violation_of_a_whole_object_shows_no_value() -> None:
    assert replace(ONE, field="", after=None).lines() == ("forbid: Deployment.apps shop/order", "why", "do this")


@pytest.mark.parametrize(
    ("kind", "against", "expected"),
    [
        (ViolationKind.DISTINCT, "dev", True),
        (ViolationKind.UNDECLARED, "dev", True),
        (ViolationKind.UNDECLARED, "base", False),
        (ViolationKind.FOREIGN, "dev", False),
    ],
)
def test_violation_is_mutual_if_either_environment_could_be_charged(
    kind: ViolationKind, against: str, *, expected: bool
) -> None:
    assert replace(ONE, kind=kind, against=against).is_mutual is expected
