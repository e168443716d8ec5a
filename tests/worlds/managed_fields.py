"""Recorded bodies with their metadata.managedFields: one Deployment through its life, and writes to other kinds."""

from typing import Any

import yaml

from tests import ROOT

BODIES = ROOT / "tests/core/ownership/managed_fields"
OURS = "lockstep-test"
"""The field manager that applied them."""


def body(name: str) -> Any:
    return yaml.safe_load((BODIES / f"{name}.yaml").read_text())
