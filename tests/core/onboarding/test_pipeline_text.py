"""pipeline.yaml as init writes it says what was decided, and nothing that was not."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.variations import Variation, ViolationSeverity
from gitops.core.contract.violations import Violation, ViolationKind
from gitops.core.objects import Key
from gitops.core.onboarding import pipeline_text
from gitops.core.onboarding.foreign_names import ForeignNameFinding, find_foreign_names

TEXT = """
reference: base
registries: [{host: "r.example:8443"}]
services:
  api: {image: "r.example:8443/shop/api", tags: {pattern: '^main-\\d+$', order: pushed}}
environments:
  dev: {namespace: shop-dev, images: newest, prefix: dev-, sync: {mode: observe, allow: {cluster: [Namespace]}}}
  "on": {namespace: shop-on, after: dev, promote: {when: requested}, sync: {mode: observe}, context: eu}
variations:
- {name: replicas, kinds: [Deployment], field: /spec/replicas, schema: {type: integer, minimum: 1}}
- {name: it's, objects: [{kind: ConfigMap, name: '*'}], field: '/data/*', environments: ["on"]}
"""


def test_it_reads_as_it_was_declared() -> None:
    declared = pipeline.parse(TEXT.encode())
    assert pipeline.parse(pipeline_text.format_pipeline(declared, {}, ())) == declared


def test_without_anything() -> None:
    declared = pipeline.parse(b"environments: {dev: {namespace: a, images: newest}}")
    assert pipeline.parse(pipeline_text.format_pipeline(declared, declared.services, ())) == declared


def test_what_is_to_be_decided_is_a_comment() -> None:
    declared = pipeline.parse(TEXT.encode())
    doubt = ForeignNameFinding(
        hard=True, summary="prod\nvariations: []\x1b[0m", variation=Variation(field="/x", names=("dev",))
    )
    found = pipeline_text.format_pipeline(declared, declared.services, [doubt])
    assert pipeline.parse(found) == declared
    assert b"\x1b" not in found
    assert b"#   api: {image: 'r.example:8443/shop/api'" in found


def test_a_comment_may_be_uncommented() -> None:
    declared = pipeline.parse(TEXT.encode())
    doubt = ForeignNameFinding(hard=False, summary="it", variation=Variation(name="n", field="/data/*", names=("dev",)))
    text = pipeline_text.format_pipeline(declared, {}, [doubt]).decode()
    line = next(each for each in text.splitlines() if each.startswith("# - "))
    assert pipeline.parse(text.replace(line, line[2:]).encode()).variations[-1] == doubt.variation


@given(st.recursive(st.text() | st.integers() | st.booleans(), lambda below: st.lists(below, max_size=3)))
def test_any_value_on_one_line(value: Any) -> None:
    found = pipeline_text.format_flow(value)
    assert "\n" not in found
    assert yaml.safe_load(found) == value


@pytest.mark.parametrize("text", ["yes", "On", "null", "1e3", "~", "a: b", "a #b", "- a", "it's", "=", "0x1", "a\tb"])
def test_texts_that_yaml_might_take_for_something_else(text: str) -> None:
    assert yaml.safe_load(pipeline_text.format_flow({"a": [text]})) == {"a": [text]}


def violation(
    name: str, environment: str, severity: ViolationSeverity = ViolationSeverity.WARN, value: str = "x"
) -> Violation:
    key = Key("", "ConfigMap", "", name)
    return Violation(ViolationKind.FOREIGN, severity, environment, key, "/data/URL", None, value, "", "", "qa")


def test_doubts_about_one_field_are_one() -> None:
    held = {
        "prod": [violation("a", "prod"), violation("b", "prod", ViolationSeverity.FORBID)],
        "uat": [violation("a", "uat")],
    }
    [found] = find_foreign_names(held)
    assert found.hard
    assert found.summary == "prod, uat: names qa: ConfigMap a and 1 more /data/URL: x"
    assert found.variation.environments == ("prod", "uat")
    assert found.variation.names == ("qa",)


def test_a_field_that_cannot_be_written() -> None:
    odd = replace(violation("a", "prod"), field="/data/a\nb/c")
    assert find_foreign_names({"prod": [odd]})[0].variation.field == "/data/*/c"


def test_other_violations_are_no_doubts() -> None:
    key = Key("", "ConfigMap", "", "a")
    other = Violation(ViolationKind.UNDECLARED, ViolationSeverity.FORBID, "prod", key, "/data/A", None, "x", "", "")
    assert find_foreign_names({"prod": [other]}) == ()


def test_long_values_are_cut() -> None:
    [found] = find_foreign_names({"prod": [violation("a", "prod", value="y\n" * 500)]})
    assert len(found.summary) < 200
    assert "\n" not in found.summary
