"""Fields that name another environment, as findings for a person."""

from dataclasses import replace

from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.objects import Key
from gitops.core.onboarding.foreign_names import find_foreign_names

UNDECLARED = "Undeclared"


def violation(
    name: str, environment: str, severity: ViolationSeverity = ViolationSeverity.WARN, value: str = "x"
) -> Violation:
    key = Key("", "ConfigMap", "", name)
    return Violation(ViolationKind.FOREIGN, severity, environment, key, "/data/URL", None, value, "", "", "qa")


def test_foreign_names_in_one_field_are_one_finding() -> None:
    held = {
        "prod": [violation("a", "prod"), violation("b", "prod", ViolationSeverity.FORBID)],
        "uat": [violation("a", "uat")],
    }
    [found] = find_foreign_names(held)
    assert found.hard
    assert found.summary == "prod, uat: names qa: ConfigMap a and 1 more /data/URL: x"
    assert found.variation.environments == ("prod", "uat")
    assert found.variation.names == ("qa",)


def test_foreign_name_in_a_field_that_cannot_be_written() -> None:
    odd = replace(violation("a", "prod"), field="/data/a\nb/c")
    assert find_foreign_names({"prod": [odd]})[0].variation.field == "/data/*/c"


def test_foreign_names_leave_out_other_violations() -> None:
    key = Key("", "ConfigMap", "", "a")
    other = Violation(ViolationKind.UNDECLARED, ViolationSeverity.FORBID, "prod", key, "/data/A", None, "x", "", "")
    assert find_foreign_names({"prod": [other]}) == ()


def test_foreign_name_in_a_long_value_is_cut() -> None:
    [found] = find_foreign_names({"prod": [violation("a", "prod", value="y\n" * 500)]})
    assert len(found.summary) < 200
    assert "\n" not in found.summary
