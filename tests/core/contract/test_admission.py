"""Admission as a table: violations, and whether the render was admitted before -> the verdict."""

import pytest

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract import admission
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.errors import Rejected
from gitops.core.objects import Key
from gitops.core.sync.summary import Stall
from gitops.core.sync.sync_target import AdmissionVerdict


def violation(field: str, severity: ViolationSeverity = ViolationSeverity.FORBID) -> Violation:
    app = Key("apps", "Deployment", "shop-dev", "order")
    return Violation(ViolationKind.UNDECLARED, severity, "dev", app, field, "1", "2", "no variation", "take it out")


def said(field: str) -> str:
    return f"Deployment.apps shop-dev/order {field}: no variation; take it out"


A, B, C, D = (violation(f"/spec/{name}") for name in "abcd")
WARNING = violation("/spec/w", ViolationSeverity.WARN)


@pytest.mark.parametrize(
    ("violations", "is_admitted", "expected"),
    [
        ((), False, AdmissionVerdict()),
        ((WARNING,), False, AdmissionVerdict(None, (said("/spec/w"),))),
        ((A,), True, AdmissionVerdict(None, (said("/spec/a"),))),
        ((WARNING, A), True, AdmissionVerdict(None, (said("/spec/a"), said("/spec/w")))),
        (
            (WARNING, A),
            False,
            AdmissionVerdict(Stall("ContractViolated", said("/spec/a")), (said("/spec/a"), said("/spec/w"))),
        ),
    ],
    ids=["in-order", "warns", "older-than-the-rule", "forbidden-first", "refused"],
)
def test_admission(violations: tuple[Violation, ...], expected: AdmissionVerdict, *, is_admitted: bool) -> None:
    assert admission.verdict(violations, is_admitted=is_admitted) == expected


def test_admission_names_the_first_three_violations() -> None:
    refusal = admission.verdict((A, B, C, D), is_admitted=False).refusal
    assert refusal is not None
    assert refusal.message == ". ".join(map(said, ("/spec/a", "/spec/b", "/spec/c"))) + ". And 1 more"


@pytest.mark.parametrize(
    ("is_admitted", "expected"),
    [
        (False, AdmissionVerdict(Stall("NoReference", "base/ cannot be read"), (), is_breached=True)),
        (True, AdmissionVerdict(None, ("base/ cannot be read",), is_breached=True)),
    ],
    ids=["new", "admitted-before"],
)
def test_admission_of_what_cannot_be_judged(expected: AdmissionVerdict, *, is_admitted: bool) -> None:
    assert admission.unjudged(Rejected("NoReference", "base/ cannot be read"), is_admitted=is_admitted) == expected
