"""For any base, overlay and variations: an accepted overlay has declared differences only.

The oracle compares the plain bodies and matches paths on its own, by hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.core.contract import parity
from gitops.core.contract.parity import DifferenceStatus, ParitySide
from gitops.core.contract.variations.rule_book import RuleBook
from gitops.local.cluster import binaries
from tests.example.rendered import build
from tests.worlds.surveys import bodies, contract, survey_of

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(st.integers(0, 2), st.booleans(), st.sampled_from(["x", "y", "1"]))
TREES = st.recursive(SCALARS, lambda below: st.dictionaries(NAMES, below, min_size=1, max_size=3), max_leaves=6)
SPECS = st.dictionaries(NAMES, TREES, min_size=1, max_size=3)
SEGMENTS = st.sampled_from(["a", "b", "c", "*", "**"])
FIELDS = st.lists(SEGMENTS, min_size=1, max_size=3).map(lambda parts: "/spec/" + "/".join(parts))
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "v": st.integers(0, 2)}), max_size=3, unique_by=lambda item: item["name"]
)


def document(spec: dict[str, Any], containers: list[dict[str, Any]]) -> str:
    whole = {**spec, "template": {"spec": {"containers": containers}}} if containers else spec
    return json.dumps({"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": whole})


def rules(fields: list[str]) -> RuleBook:
    return contract(json.dumps([{"field": field} for field in fields]))


def plain_leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from plain_leaves(below, (*path, name))
    elif isinstance(value, list):
        for item in value:
            yield from plain_leaves(item, (*path, item["name"]))
    else:
        yield path, (type(value).__name__, value)


def is_covered(pattern: list[str], path: tuple[str, ...]) -> bool:
    """A pattern covers the field it names and all below."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(is_covered(pattern[1:], path[skipped:]) for skipped in range(len(path) + 1))
    return bool(path) and pattern[0] in {"*", path[0]} and is_covered(pattern[1:], path[1:])


def undeclared(one: dict[str, Any], two: dict[str, Any], fields: list[str]) -> list[tuple[str, ...]]:
    left, right = dict(plain_leaves(one)), dict(plain_leaves(two))
    patterns = [field.split("/")[1:] for field in fields]
    return [
        path
        for path in left.keys() | right.keys()
        if left.get(path) != right.get(path) and not any(is_covered(pattern, path) for pattern in patterns)
    ]


def let_in_by_name(path: tuple[str, ...], fields: list[str]) -> bool:
    """A container whose name may differ comes with all its fields, as documented."""
    at = ("spec", "template", "spec", "containers")
    patterns = [field.split("/")[1:] for field in fields]
    return path[:4] == at and any(is_covered(pattern, (*path[:5], "name")) for pattern in patterns)


@given(SPECS, CONTAINERS, SPECS, CONTAINERS, st.lists(FIELDS, max_size=3))
@settings(max_examples=300, deadline=None)
def test_contract_accepts_no_undeclared_difference(
    spec: dict[str, Any],
    items: list[dict[str, Any]],
    other: dict[str, Any],
    others: list[dict[str, Any]],
    fields: list[str],
) -> None:
    base, own = document(spec, items), document(other, others)
    survey = survey_of(own, base, rules(fields))
    expected = undeclared(json.loads(base), json.loads(own), fields)
    if not survey.violations:
        assert all(let_in_by_name(path, fields) for path in expected)
    else:
        assert expected, "nothing is refused without a difference"


@given(SPECS, SPECS, SPECS, st.lists(FIELDS, max_size=3))
@settings(max_examples=200, deadline=None)
def test_parity_of_accepted_environments(
    base: dict[str, Any], one: dict[str, Any], two: dict[str, Any], fields: list[str]
) -> None:
    book = rules(fields)
    texts = [document(spec, []) for spec in (base, one, two)]
    accepted = [
        not survey_of(text, texts[0], book, name).violations
        for text, name in zip(texts[1:], ("dev", "prod"), strict=True)
    ]
    a, b = (
        ParitySide(name, bodies(text, f"shop-{name}")) for text, name in zip(texts[1:], ("dev", "prod"), strict=True)
    )
    found = parity.compare_environments(a, b, b, book)
    if all(accepted):
        assert all(each.status is DifferenceStatus.DECLARED for each in found)


EDITS = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), NAMES, TREES), min_size=1, max_size=3, unique_by=lambda edit: edit[1]
)


@given(SPECS, EDITS, st.lists(FIELDS, max_size=2))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contract_accepts_no_undeclared_difference_of_a_kustomize_render(
    tmp_path: Path, spec: dict[str, Any], edits: list[tuple[str, str, Any]], fields: list[str]
) -> None:
    kustomize = binaries.ensure("kustomize")
    (tmp_path / "base").mkdir(exist_ok=True)
    (tmp_path / "prod").mkdir(exist_ok=True)
    (tmp_path / "base/kustomization.yaml").write_text("resources: [one.yaml]\n")
    (tmp_path / "base/one.yaml").write_text(document(spec, []))
    operations = [
        {"op": "add", "path": f"/spec/{name}", "value": value}
        if op == "add"
        else {"op": "remove", "path": f"/spec/{name}"}
        for op, name, value in edits
        if op == "add" or name in spec
    ]
    patches = [{"target": {"kind": "Thing"}, "patch": yaml.safe_dump(operations)}] if operations else []
    (tmp_path / "prod/kustomization.yaml").write_text(
        yaml.safe_dump({"namespace": "shop-prod", "resources": ["../base"], "patches": patches})
    )
    base, own = (build(kustomize, tmp_path / name).objects[0] for name in ("base", "prod"))
    survey = survey_of(json.dumps(own), json.dumps(base), rules(fields))
    changed = undeclared({"spec": base.get("spec")}, {"spec": own.get("spec")}, fields)
    assert bool(survey.violations) == bool(changed)
