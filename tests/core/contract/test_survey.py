"""One environment against the reference: what is let through, and what is a violation (reason, severity, field)."""

import pytest

from gitops.core.contract.difference_rules import value_at
from gitops.core.errors import Rejected
from gitops.core.sync.diff import ABSENT
from tests.worlds.surveys import alone, bodies, config, contract, deployment, surveyed

NOTHING = contract()
UNDECLARED = "Undeclared"
DIGEST = "sha256:" + "a" * 64


class TestWhatIsNoDifference:
    @pytest.mark.parametrize(
        ("base", "own"),
        [
            ("{replicas: 1}", "{replicas: 1}"),
            ("{overhead: {memory: 1Gi}}", "{overhead: {memory: 1024Mi}}"),
            ("{overhead: {cpu: 1000m}}", "{overhead: {cpu: 1}}"),
            ("{a: {port: 8080}}", '{a: {port: "8080"}}'),
            ("{accessModes: [a, b]}", "{accessModes: [b, a]}"),
            ("{a: null}", "{}"),
            ("{host: api-dev.example}", "{host: api-prod.example}"),
            ("{subject: {namespace: default}}", "{subject: {namespace: shop-prod}}"),
            ("{subject: {}}", "{subject: {namespace: shop-prod}}"),
        ],
    )
    def test_other_spellings_and_identity(self, base: str, own: str) -> None:
        assert alone(deployment(own), deployment(base), NOTHING) == []

    def test_order_of_containers_variables_and_volumes(self) -> None:
        one = deployment(container="{env: [{name: A, value: x}, {name: B, value: y}]}")
        two = deployment(container="{env: [{name: B, value: y}, {name: A, value: x}]}")
        assert alone(one, two, NOTHING) == []

    def test_declared_prefix_and_suffix_also_in_references(self) -> None:
        rules = contract(environments="{prod: {namespace: shop-prod, prefix: eu-, suffix: -x}}")
        base = config("a", k="v") + deployment("{ref: a}")
        own = config("eu-a-x", k="v") + deployment("{ref: eu-a-x}", name="eu-order-x")
        assert alone(own, base, rules) == []

    def test_images_of_services_are_the_business_of_promotions(self) -> None:
        rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
        own = deployment(container=f"{{image: 'r.example/app:1.2@{DIGEST}'}}")
        assert alone(own, deployment(container="{image: 'r.example/app:unset'}"), rules) == []


class TestDifferences:
    @pytest.mark.parametrize(
        ("base", "own", "field"),
        [
            ("{replicas: 1}", "{replicas: 2}", "/spec/replicas"),
            ("{replicas: 1}", "{}", "/spec/replicas"),
            ("{}", "{paused: true}", "/spec/paused"),
            ("{paused: true}", "{paused: 1}", "/spec/paused"),
            ("{a: {b: 1}}", "{a: {}}", "/spec/a/b"),
            ("{args: [a, b]}", "{args: [b, a]}", "/spec/args/0"),
            ("{host: api-dev.example}", "{host: api-dev2.example}", "/spec/host"),
            ("{subject: {namespace: monitoring}}", "{subject: {namespace: shop-prod}}", "/spec/subject/namespace"),
        ],
    )
    def test_undeclared(self, base: str, own: str, field: str) -> None:
        found = alone(deployment(own), deployment(base), NOTHING)
        assert (UNDECLARED, "forbid", field) in found

    def test_order_of_init_containers_matters(self) -> None:
        one = "{template: {spec: {initContainers: [{name: a}, {name: b}]}}}"
        two = "{template: {spec: {initContainers: [{name: b}, {name: a}]}}}"
        assert alone(deployment(two), deployment(one), NOTHING) == [
            (UNDECLARED, "forbid", "/spec/template/spec/initContainers")
        ]

    def test_a_hand_made_name_with_a_suffix_is_another_object(self) -> None:
        assert [each[0] for each in alone(config("a-gk96h77hgt"), config("a"), NOTHING)] == ["Presence", "Presence"]

    def test_image_of_no_service(self) -> None:
        own = deployment(container="{image: 'nginx:1.28'}")
        field = "/spec/template/spec/containers/app/image"
        assert alone(own, deployment(), NOTHING) == [(UNDECLARED, "forbid", field)]

    def test_a37_service_image_without_a_digest(self) -> None:
        rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
        own = deployment(container="{image: 'r.example/app:1.2'}")
        field = "/spec/template/spec/containers/app/image"
        assert alone(own, deployment(container="{image: 'r.example/app:x'}"), rules) == [("NotPinned", "forbid", field)]

    def test_images_that_no_promotion_knows_are_values_like_others(self) -> None:
        """An operator's own kinds, and texts: nobody proves what stands there."""
        rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")

        def job(image: str) -> str:
            return f"{{apiVersion: v1, kind: SparkApplication, metadata: {{name: a}}, spec: {{image: '{image}'}}}}"

        old, new = (f"r.example/app:{number}@{DIGEST}" for number in (1, 2))
        assert alone(job(new), job(old), rules) == [(UNDECLARED, "forbid", "/spec/image")]
        assert ("NotPinned", "forbid", "/spec/image") in alone(job("r.example/app:2"), job(old), rules)
        assert alone(config(image=new), config(image=old), rules) == [(UNDECLARED, "forbid", "/data/image")]

    def test_another_repository_is_no_promotion(self) -> None:
        rules = contract(services="{app: {image: r.example/app, tags: {semver: '>=1'}}}")
        own = deployment(container=f"{{image: 'r.example/fork:1@{DIGEST}'}}")
        assert UNDECLARED in [each[0] for each in alone(own, deployment(container="{image: 'r.example/app:x'}"), rules)]


class TestVariations:
    def test_kinds_objects_and_environments(self) -> None:
        base, own = deployment("{replicas: 1}"), deployment("{replicas: 2}")
        field = "field: /spec/replicas"
        assert alone(own, base, contract(f"[{{kinds: [Deployment], {field}}}]")) == []
        assert alone(own, base, contract(f"[{{objects: [{{kind: Deployment, name: 'ord*'}}], {field}}}]")) == []
        assert alone(own, base, contract(f"[{{environments: [prod], {field}}}]")) == []
        for other in ("kinds: [StatefulSet]", "objects: [{kind: Deployment, name: shop}]", "environments: [dev]"):
            assert alone(own, base, contract(f"[{{{other}, {field}}}]")) == [(UNDECLARED, "forbid", "/spec/replicas")]

    def test_an_item_comes_with_its_name(self) -> None:
        base = deployment()
        own = deployment("{template: {spec: {containers: [{name: app, image: 'nginx:1.27'}, {name: log, image: x}]}}}")
        rules = contract("[{field: /spec/template/spec/containers/log/name}]")
        assert alone(own, base, rules) == []
        assert len(alone(own, base, NOTHING)) == 2

    def test_schema(self) -> None:
        rules = contract("[{name: r, field: /spec/replicas, schema: {type: integer, maximum: 5}}]")
        base = deployment("{replicas: 1}")
        assert alone(deployment("{replicas: 5}"), base, rules) == []
        for own in ("{replicas: 6}", "{replicas: '3'}", "{}"):
            assert alone(deployment(own), base, rules) == [("OutOfSchema", "forbid", "/spec/replicas")]

    def test_schema_of_a_subtree_is_judged_once(self) -> None:
        rules = contract("[{field: /spec/hard, schema: {type: object, required: [cpu]}}]")
        assert alone(deployment("{hard: {memory: 2, pods: 1}}"), deployment("{hard: {cpu: 1}}"), rules) == [
            ("OutOfSchema", "forbid", "/spec/hard/cpu")
        ]

    def test_a_schema_fetches_nothing(self) -> None:
        rules = contract("[{field: /spec/replicas, schema: {$ref: 'http://127.0.0.1:1/x'}}]")
        [violation] = surveyed(deployment("{replicas: 2}"), deployment("{replicas: 1}"), rules).violations
        assert "not fetched" in violation.why

    @pytest.mark.parametrize(
        ("schema", "why"),
        [
            ("{type: number of things}", "`r`: the schema is not valid JSON Schema"),
            ("{anyOf: [{pattern: '(?=a)'}]}", "`r`: a pattern of the schema is not a regular expression of RE2"),
            ("{patternProperties: {a: true}}", "`propertyNames`"),
        ],
    )
    def test_a_schema_that_is_none(self, schema: str, why: str) -> None:
        with pytest.raises(Rejected) as caught:
            contract(f"[{{name: r, field: /spec/replicas, schema: {schema}}}]")
        assert caught.value.reason == "InvalidPipeline"
        assert why in caught.value.message

    def test_a_schema_that_never_ends_is_said_and_ends(self) -> None:
        rules = contract("[{name: r, field: /data/A, schema: {$ref: '#'}}]")
        found = surveyed(config(A="b"), config(A="a"), rules).violations
        assert ["refers to itself without end" in each.why for each in found] == [True]

    def test_a_pattern_that_python_would_never_finish(self) -> None:
        rules = contract("[{name: r, field: /data/A, schema: {pattern: '^(a+)+$'}}]")
        assert alone(config(A="a" * 10_000), config(A="a"), rules) == []
        assert alone(config(A="a" * 10_000 + "b"), config(A="a"), rules) == [("OutOfSchema", "forbid", "/data/A")]

    def test_required_is_absolute(self) -> None:
        rules = contract("[{field: '/data/*', required: [DB_URL]}]")
        assert alone(config(DB_URL="x"), config(), rules) == []
        assert alone(config(OTHER="x"), config(), rules) == [("MissingSetting", "forbid", "/data/*/DB_URL")]

    def test_severity_is_what_a_broken_rule_costs(self) -> None:
        for severity, expected in (("warn", [("OutOfSchema", "warn", "/spec/replicas")]), ("free", [])):
            rules = contract(f"[{{field: /spec/replicas, schema: {{maximum: 1}}, severity: {severity}}}]")
            assert alone(deployment("{replicas: 2}"), deployment("{replicas: 1}"), rules) == expected

    def test_a_file_in_a_config_map_is_compared_setting_by_setting(self) -> None:
        rules = contract("[{field: '/data/app.yml/db.url', format: yaml}, {field: /data/app.yml, format: yaml}]")
        assert alone(config(**{"app.yml": "db: {url: x}"}), config(**{"app.yml": "db.url: y"}), rules) == []

    def test_a_file_that_cannot_be_read(self) -> None:
        rules = contract("[{field: '/data/*', format: yaml}]")
        assert ("UnreadableSettings", "forbid", "/data/app.yml") in alone(
            config(**{"app.yml": "a: ["}), config(), rules
        )

    def test_objects_in_some_environments_only(self) -> None:
        extra = config("extra")
        rules = contract("[{objects: [{kind: ConfigMap, name: extra}], environments: [prod]}]")
        assert alone(extra + config(), config(), rules) == []
        assert alone(extra + config(), config(), rules, "dev") == [("Presence", "forbid", "")]
        assert alone(config(), extra + config(), rules) == []
        assert alone(config(), extra + config(), NOTHING) == [("Presence", "forbid", "")]


class TestMessages:
    def test_a_newcomer_learns_what_where_and_what_to_do(self) -> None:
        rules = contract("[{name: limits, field: '/spec/template/spec/containers/*/resources'}]")
        own = deployment(container="{imagePullPolicy: Always}")
        [violation] = surveyed(own, deployment(), rules).violations
        field = "/spec/template/spec/containers/app/imagePullPolicy"
        why = "; the nearest one, `limits`, covers /spec/template/spec/containers/*/resources"
        declaration = f"- {{objects: [{{kind: Deployment, name: order}}], field: {field}}}"
        assert violation.lines() == (
            f"forbid: Deployment.apps shop-prod/order  {field}",
            "base: (nothing)   prod: Always",
            f"no variation allows Deployment {field} to differ{why}",
            f"make it equal to base, or declare it in environments/pipeline.yaml: {declaration}",
        )

    def test_secrets_are_masked(self) -> None:
        one, two = (config(KEY=value).replace("ConfigMap", "Secret") for value in ("b25l", "dHdv"))
        rules = contract("[{field: '/data/*', schema: {enum: [x]}}]")
        for book in (NOTHING, rules):
            [violation] = surveyed(two, one, book).violations
            assert (violation.before, violation.after) == ("***", "***")
            assert "dHdv" not in str(violation) + "".join(violation.lines())


def test_value_at_addresses_lists_by_their_keys() -> None:
    [body] = bodies(deployment(), "x")
    assert value_at(body, "/spec/template/spec/containers/app/image") == "nginx:1.27"
    assert value_at(body, "/spec/template/spec/containers/other/image") is ABSENT
    assert value_at(body, "/metadata/labels/a") is ABSENT
