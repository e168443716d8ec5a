"""The contract applied to literals: objects as YAML, a reference, and the variations of a pipeline."""

from collections.abc import Mapping
from typing import Any

import yaml

from gitops.core.config_repo import pipeline
from gitops.core.contract.cross_environment import check_all
from gitops.core.contract.survey import SurveyInput, survey
from gitops.core.contract.survey_result import Survey
from gitops.core.contract.variations.rule_book import RuleBook, compile_rule_book
from gitops.core.contract.violations import Violation
from gitops.core.objects import Body

ENVIRONMENTS = """
  dev: {namespace: shop-dev}
  test: {namespace: shop-test, after: dev}
  prod: {namespace: shop-prod, after: test}
"""


def contract(variations: str = "[]", *, environments: str = ENVIRONMENTS, services: str = "{}") -> RuleBook:
    text = f"environments: {environments}\nservices: {services}\nvariations: {variations}\n"
    return compile_rule_book(pipeline.parse(text.encode()))


def bodies(text: str, namespace: str) -> list[Body]:
    """Read objects from YAML. Those without a namespace get this one, as the manifests of an overlay do."""
    found: list[Any] = list(yaml.safe_load_all(text))
    return [{**body, "metadata": {"namespace": namespace, **body["metadata"]}} for body in found if body]


def survey_of(own: str, reference: str, rules: RuleBook, environment: str = "prod") -> Survey:
    home = rules.environments[environment].namespace
    subject = SurveyInput(environment, environment, bodies(own, home), "base", bodies(reference, "default"))
    return survey(subject, rules)


def rows_of(violations: tuple[Violation, ...]) -> list[tuple[str, str, str]]:
    """List each violation as (reason, severity, field), in the order of the fields."""
    return sorted((str(each.kind), str(each.severity), each.field) for each in violations)


def check_alone(own: str, reference: str, rules: RuleBook, environment: str = "prod") -> list[tuple[str, str, str]]:
    """List the violations of one environment by itself."""
    return rows_of(survey_of(own, reference, rules, environment).violations)


def check_together(
    owns: Mapping[str, str], reference: str, rules: RuleBook, changed: set[str] | None = None
) -> dict[str, list[tuple[str, str, str]]]:
    """Map each overlay -> its violations beside the others; overlays without violations are left out."""
    surveys = [survey_of(own, reference, rules, environment) for environment, own in owns.items()]
    found = check_all(surveys, rules, changed)
    return {name: rows_of(violations) for name, violations in found.items() if violations}


def config(name: str = "settings", **data: object) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}) + "---\n"


def deployment(spec: str = "{}", container: str = "{}", name: str = "order") -> str:
    """`spec` and `container` are YAML that is merged in."""
    app = {"name": "app", "image": "nginx:1.27", **yaml.safe_load(container)}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [app]}}, **yaml.safe_load(spec)},
    }
    return yaml.safe_dump(body) + "---\n"
