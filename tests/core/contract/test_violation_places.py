"""The file and line that most probably set the field of a violation."""

from dataclasses import replace

import pytest

from gitops.core.config_repo.tree import Source
from gitops.core.config_repo.variations import ViolationSeverity
from gitops.core.contract import violation_places
from gitops.core.contract.violation_places import FileOrigin
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.objects import Key

KEY = Key("", "ConfigMap", "", "settings")
ONE = Violation(ViolationKind.UNDECLARED, ViolationSeverity.FORBID, "prod", KEY, "/data/DB_URL", None, "db-1", "", "")
OVERLAY = "environments/prod/kustomization.yaml"
OWN = {
    OVERLAY: b"""resources: [../../base]
configMapGenerator:
- name: settings
  literals:
  # DB_URL=db-1
  - DB_URL=db-1
""",
    "environments/prod/patch.yaml": b"- {op: add, path: /spec/paused, value: true}\n",
}
RENDERED = b"""
kind: ConfigMap
metadata:
  name: settings
  annotations:
    config.kubernetes.io/origin: |
      path: ../base/settings.yaml
    alpha.config.kubernetes.io/transformations: |
      - configuredIn: ../environments/prod/kustomization.yaml
      - configuredIn: ../environments/prod/kustomization.yaml
---
kind: Service
metadata:
  name: plain
"""


def test_origins_are_read_from_the_annotations_of_kustomize() -> None:
    assert violation_places.parse_origins(RENDERED) == {
        ("ConfigMap", "settings"): FileOrigin("base/settings.yaml", (OVERLAY,)),
        ("Service", "plain"): FileOrigin(""),
    }


def test_origins_are_asked_for_by_a_kustomization_beside_the_tree() -> None:
    found = violation_places.with_origins(Source("environments/prod", {"a": b"x"}, "key"))
    assert (found.path, found.key) == ("lockstep-origins", "key:origins")
    assert found.files["a"] == b"x"
    text = found.files["lockstep-origins/kustomization.yaml"].decode()
    assert text == "resources: [../environments/prod]\nbuildMetadata: [originAnnotations, transformerAnnotations]\n"


@pytest.mark.parametrize(
    ("violation", "origin", "expected"),
    [
        (ONE, None, f"{OVERLAY}:6"),
        (replace(ONE, after="***"), None, f"{OVERLAY}:6"),
        (replace(ONE, field="/spec/paused", after="true"), None, "environments/prod/patch.yaml:1"),
        (replace(ONE, field="/spec/nowhere", after="unknown"), None, OVERLAY),
        (replace(ONE, field="/spec/nowhere", after="unknown"), FileOrigin("base/x.yaml"), "base/x.yaml"),
        (replace(ONE, field=""), FileOrigin("environments/prod/patch.yaml"), "environments/prod/patch.yaml"),
        (replace(ONE, field=""), FileOrigin("base/x.yaml"), OVERLAY),
    ],
)
def test_place_is_the_line_with_most_of_field_value_and_object(
    violation: Violation, origin: FileOrigin | None, expected: str
) -> None:
    origins = {("ConfigMap", "settings"): origin} if origin else {}
    assert str(violation_places.locate(violation, origins, OWN, OVERLAY).place) == expected
