"""Every attack that the threat model names has a test that carries its number."""

import ast
import re

from tests import ROOT

_ROW = re.compile(r"^\| (A\d\d) \|", re.MULTILINE)
_NUMBER = re.compile(r"(?<=_)a(\d\d)(?=_)")


def test_every_attack_of_the_threat_model_has_a_test_of_its_number() -> None:
    named = _ROW.findall((ROOT / "docs/threat-model.md").read_text())
    assert len(named) == len(set(named)) >= 40
    assert set(named) - _tested() == set()


def test_no_test_carries_a_number_that_the_threat_model_does_not_explain() -> None:
    assert _tested() - set(_ROW.findall((ROOT / "docs/threat-model.md").read_text())) == set()


def _tested() -> set[str]:
    functions = (
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    return {f"A{number}" for name in functions for number in _NUMBER.findall(name)}
