"""The differences of one overlay by the variations: (reason, severity, field)."""

import pytest

from gitops.core.contract.comparison.differences import Difference
from gitops.core.contract.difference_rules import deciding_rule, value_at
from gitops.core.sync.diff import ABSENT
from tests.worlds.surveys import bodies, check_alone, config, contract, deployment, survey_of

NOTHING = contract()


def test_a_rule_for_the_name_of_an_item_allows_the_whole_item() -> None:
    base = deployment()
    own = deployment("{template: {spec: {containers: [{name: app, image: 'nginx:1.27'}, {name: log, image: x}]}}}")
    rules = contract("[{field: /spec/template/spec/containers/log/name}]")
    assert check_alone(own, base, rules) == []
    assert len(check_alone(own, base, NOTHING)) == 2


def test_schema_holds_for_the_value_and_for_its_absence() -> None:
    rules = contract("[{name: r, field: /spec/replicas, schema: {type: integer, maximum: 5}}]")
    base = deployment("{replicas: 1}")
    assert check_alone(deployment("{replicas: 5}"), base, rules) == []
    for own in ("{replicas: 6}", "{replicas: '3'}", "{}"):
        assert check_alone(deployment(own), base, rules) == [("OutOfSchema", "forbid", "/spec/replicas")]


def test_schema_of_a_subtree_is_checked_once() -> None:
    rules = contract("[{field: /spec/hard, schema: {type: object, required: [cpu]}}]")
    assert check_alone(deployment("{hard: {memory: 2, pods: 1}}"), deployment("{hard: {cpu: 1}}"), rules) == [
        ("OutOfSchema", "forbid", "/spec/hard/cpu")
    ]


def test_required_settings_must_be_there_whether_anything_differs_or_not() -> None:
    rules = contract("[{field: '/data/*', required: [DB_URL]}]")
    assert check_alone(config(DB_URL="x"), config(), rules) == []
    assert check_alone(config(OTHER="x"), config(), rules) == [("MissingSetting", "forbid", "/data/*/DB_URL")]


def test_severity_is_that_of_a_broken_condition() -> None:
    for severity, expected in (("warn", [("OutOfSchema", "warn", "/spec/replicas")]), ("free", [])):
        rules = contract(f"[{{field: /spec/replicas, schema: {{maximum: 1}}, severity: {severity}}}]")
        assert check_alone(deployment("{replicas: 2}"), deployment("{replicas: 1}"), rules) == expected


def test_presence_of_an_object_must_be_declared() -> None:
    extra = config("extra")
    rules = contract("[{objects: [{kind: ConfigMap, name: extra}], environments: [prod]}]")
    assert check_alone(extra + config(), config(), rules) == []
    assert check_alone(extra + config(), config(), rules, "dev") == [("Presence", "forbid", "")]
    assert check_alone(config(), extra + config(), rules) == []
    assert check_alone(config(), extra + config(), NOTHING) == [("Presence", "forbid", "")]


def test_message_says_what_where_and_what_to_do() -> None:
    rules = contract("[{name: limits, field: '/spec/template/spec/containers/*/resources'}]")
    own = deployment(container="{imagePullPolicy: Always}")
    [violation] = survey_of(own, deployment(), rules).violations
    field = "/spec/template/spec/containers/app/imagePullPolicy"
    why = "; the nearest one, `limits`, covers /spec/template/spec/containers/*/resources"
    declaration = f"- {{objects: [{{kind: Deployment, name: order}}], field: {field}}}"
    assert violation.lines() == (
        f"forbid: Deployment.apps shop-prod/order  {field}",
        "base: (nothing)   prod: Always",
        f"no variation allows Deployment {field} to differ{why}",
        f"make it equal to base, or declare it in environments/pipeline.yaml: {declaration}",
    )


def test_value_at_names_list_items_by_their_keys() -> None:
    [body] = bodies(deployment(), "x")
    assert value_at(body, "/spec/template/spec/containers/app/image") == "nginx:1.27"
    assert value_at(body, "/spec/template/spec/containers/other/image") is ABSENT
    assert value_at(body, "/metadata/labels/a") is ABSENT


@pytest.mark.parametrize(
    ("path", "paths", "expected"),
    [
        ("/spec/replicas", [], "replicas"),
        ("/spec/containers/log/image", ["/spec/containers/log/name"], "sidecar"),
        ("/spec/containers/log/image", [], None),
        ("/spec/containers/app/env/A/value", ["/spec/containers/app/env/A/name"], "variable"),
        ("/spec/other", [], None),
    ],
)
def test_deciding_rule_covers_the_field_or_the_name_of_its_item(
    path: str, paths: list[str], expected: str | None
) -> None:
    rules = contract(
        "[{name: replicas, field: /spec/replicas}, {name: sidecar, field: /spec/containers/log/name},"
        " {name: variable, field: '/spec/containers/*/env/*/name'}]"
    ).rules
    found = deciding_rule(rules, Difference(path, ABSENT, "x"), {path, *paths})
    assert (found.label if found else None) == expected
