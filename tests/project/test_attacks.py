"""Each attack of docs/threat-model.md has a test with its number in the name (`test_a27_...`)."""

import ast
import re

from tests import ROOT

_ROW = re.compile(r"^\| (A\d\d) \|", re.MULTILINE)
_NUMBER = re.compile(r"(?<=_)a(\d\d)(?=_)")


def test_attacks_of_the_threat_model_all_have_a_test_with_their_number() -> None:
    named = _ROW.findall((ROOT / "docs/threat-model.md").read_text())
    assert len(named) == len(set(named)) >= 40
    assert set(named) - _tested() == set()


def test_attack_numbers_of_tests_are_all_in_the_threat_model() -> None:
    assert _tested() - set(_ROW.findall((ROOT / "docs/threat-model.md").read_text())) == set()


def _tested() -> set[str]:
    functions = (
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    return {f"A{number}" for name in functions for number in _NUMBER.findall(name)}
