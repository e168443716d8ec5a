"""pipeline.yaml as init writes it: the decisions, with open ones as comments."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.variations import Variation
from gitops.core.onboarding import pipeline_text
from gitops.core.onboarding.foreign_names import ForeignNameFinding

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


def test_pipeline_text_parses_as_it_was_declared() -> None:
    declared = pipeline.parse(TEXT.encode())
    assert pipeline.parse(pipeline_text.format_pipeline(declared, {}, ())) == declared


def test_pipeline_text_without_services_or_variations() -> None:
    declared = pipeline.parse(b"environments: {dev: {namespace: a, images: newest}}")
    assert pipeline.parse(pipeline_text.format_pipeline(declared, declared.services, ())) == declared


def test_pipeline_text_has_open_decisions_as_comments() -> None:
    declared = pipeline.parse(TEXT.encode())
    finding = ForeignNameFinding(
        hard=True, summary="prod\nvariations: []\x1b[0m", variation=Variation(field="/x", names=("dev",))
    )
    found = pipeline_text.format_pipeline(declared, declared.services, [finding])
    assert pipeline.parse(found) == declared
    assert b"\x1b" not in found
    assert b"#   api: {image: 'r.example:8443/shop/api'" in found


def test_pipeline_text_may_be_uncommented() -> None:
    declared = pipeline.parse(TEXT.encode())
    finding = ForeignNameFinding(
        hard=False, summary="it", variation=Variation(name="n", field="/data/*", names=("dev",))
    )
    text = pipeline_text.format_pipeline(declared, {}, [finding]).decode()
    line = next(each for each in text.splitlines() if each.startswith("# - "))
    assert pipeline.parse(text.replace(line, line[2:]).encode()).variations[-1] == finding.variation


@given(st.recursive(st.text() | st.integers() | st.booleans(), lambda below: st.lists(below, max_size=3)))
def test_flow_yaml_of_any_value_is_one_line(value: Any) -> None:
    found = pipeline_text.format_flow(value)
    assert "\n" not in found
    assert yaml.safe_load(found) == value


@pytest.mark.parametrize("text", ["yes", "On", "null", "1e3", "~", "a: b", "a #b", "- a", "it's", "=", "0x1", "a\tb"])
def test_flow_yaml_quotes_ambiguous_texts(text: str) -> None:
    assert yaml.safe_load(pipeline_text.format_flow({"a": [text]})) == {"a": [text]}
