"""The variations that `lockstep init` proposes: every difference is covered, and no variation can be left out."""

from collections.abc import Mapping, Sequence

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.variations import Variation
from gitops.core.contract.cross_environment import check_all
from gitops.core.contract.survey import SurveyInput, survey
from gitops.core.contract.variations import rule_book
from gitops.core.onboarding import observed_differences, variation_proposals
from tests.worlds.surveys import ENVIRONMENTS, bodies, config, deployment

ORDER = ("dev", "test", "prod")
PIPELINE = pipeline.parse(f"environments: {ENVIRONMENTS}\n".encode())


def subjects(owns: Mapping[str, str], reference: str) -> list[SurveyInput]:
    return [
        SurveyInput(name, name, bodies(owns[name], f"shop-{name}"), "base", bodies(reference, "default"))
        for name in ORDER
    ]


def proposed(owns: Mapping[str, str], reference: str) -> tuple[Variation, ...]:
    everything = subjects(owns, reference)
    book = rule_book.compile_rule_book(PIPELINE)
    found = observed_differences.find_differences(everything, book)
    return variation_proposals.propose_variations(
        found, observed_differences.names_by_kind(everything, book), ORDER, book.environment_names.neutralize
    )


def forbidden(owns: Mapping[str, str], reference: str, variations: Sequence[Variation]) -> list[str]:
    book = rule_book.compile_rule_book(PIPELINE.model_copy(update={"variations": tuple(variations)}))
    surveys = [survey(each, book) for each in subjects(owns, reference)]
    beside = check_all(surveys, book)
    violations = [it for each in surveys for it in (*each.violations, *beside[each.name])]
    return [str(each) for each in violations if each.forbids]


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
TEXTS = st.sampled_from(["x", "y", "1", "80"])
VARIABLES = st.lists(
    st.fixed_dictionaries({"name": NAMES, "value": TEXTS}), max_size=5, unique_by=lambda it: it["name"]
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "image": st.sampled_from(["r.example/a:1", "r.example/a:2", "r.example/b:1"]),
            "env": VARIABLES,
        },
        optional={
            "resources": st.dictionaries(st.sampled_from(["limits", "requests"]), st.just({"cpu": "1"})),
            "args": st.lists(TEXTS, max_size=3),
            "volumeMounts": st.lists(
                st.fixed_dictionaries({"name": NAMES, "mountPath": NAMES}),
                max_size=3,
                unique_by=lambda it: it["mountPath"],
            ),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda it: it["name"],
)
WORKLOADS = st.builds(
    lambda kind, name, replicas, containers, labels: yaml.safe_dump(
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "labels": labels},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
        }
    ),
    st.sampled_from(["Deployment", "StatefulSet"]),
    NAMES,
    st.integers(0, 3),
    CONTAINERS,
    st.dictionaries(NAMES, TEXTS, max_size=3),
)
CONFIGS = st.builds(lambda name, data: config(name, **data), NAMES, st.dictionaries(NAMES, TEXTS, max_size=5))
INGRESSES = st.builds(
    lambda name, hosts: yaml.safe_dump(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": name},
            "spec": {"rules": [{"host": host, "http": {"paths": [{"path": "/"}]}} for host in hosts]},
        }
    ),
    NAMES,
    st.lists(TEXTS, max_size=3),
)


def unique(documents: list[str]) -> str:
    """One object of each kind and name."""
    found = {}
    for text in documents:
        body = next(each for each in yaml.safe_load_all(text) if each)
        found[body["kind"], body["metadata"]["name"]] = yaml.safe_dump(body)
    return "---\n".join(found.values())


RENDERS = st.lists(st.one_of(WORKLOADS, CONFIGS, INGRESSES), max_size=6).map(unique)


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None, derandomize=True)
@given(st.fixed_dictionaries(dict.fromkeys(ORDER, RENDERS)), RENDERS)
def test_proposals_cover_every_difference_and_are_all_needed(owns: dict[str, str], reference: str) -> None:
    variations = proposed(owns, reference)
    assert forbidden(owns, reference, variations) == []
    for number in range(len(variations)):
        fewer = [each for at, each in enumerate(variations) if at != number]
        assert forbidden(owns, reference, fewer), variations[number]


def alike(**changed: str) -> dict[str, str]:
    """Every environment as the reference, but for these."""
    return {name: changed.get(name, deployment()) for name in ORDER}


def short(variations: Sequence[Variation]) -> list[tuple[str | None, str | None]]:
    return [(each.name, each.field) for each in variations]


def test_proposals_for_equal_environments_are_none() -> None:
    assert proposed(alike(), deployment()) == ()


def test_proposals_keep_the_type_of_a_number() -> None:
    one = deployment("replicas: 1")
    [found] = proposed({"dev": one, "test": one, "prod": deployment("replicas: 3")}, one)
    assert found.field == "/spec/replicas"
    assert found.kinds == ("Deployment",)
    assert found.value_schema == {"type": "integer", "minimum": 1}


CONTAINER = "/spec/template/spec/containers/app"
CASES: Mapping[str, tuple[str, str, list[tuple[str, str]]]] = {
    "resources are one thing": (
        "{}",
        "{resources: {limits: {cpu: 1, memory: 1Gi}}}",
        [("resources", f"{CONTAINER}/resources")],
    ),
    "a few variables by name": (
        "{env: [{name: A, value: x}]}",
        "{env: [{name: A, value: y}]}",
        [("env A", f"{CONTAINER}/env/A/value")],
    ),
    "a variable of its own": ("{}", "{env: [{name: A, value: y}]}", [("env A", f"{CONTAINER}/env/A")]),
    "many variables": (
        "{}",
        "{env: [{name: A, value: x}, {name: B, value: x}, {name: C, value: x}, {name: D, value: x}]}",
        [("env", f"{CONTAINER}/env/*")],
    ),
    "a probe": (
        "{livenessProbe: {periodSeconds: 1}}",
        "{livenessProbe: {periodSeconds: 2, timeoutSeconds: 1}}",
        [("livenessProbe", f"{CONTAINER}/livenessProbe")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_proposals_group_fields_as_people_think_of_them(case: str) -> None:
    before, after, expected = CASES[case]
    owns = {name: deployment(container=after if name == "prod" else before) for name in ORDER}
    assert short(proposed(owns, deployment(container=before))) == expected


def test_proposals_allow_other_tags_and_no_other_repository() -> None:
    owns = alike(prod=deployment(container="{image: 'nginx:1.28'}"))
    [found] = proposed(owns, deployment())
    assert found.value_schema == {"type": "string", "pattern": "^(nginx)([:@]|$)"}
    other = alike(prod=deployment(container="{image: 'evil:1.28'}"))
    assert forbidden(other, deployment(), [found]) != []


def test_proposals_name_a_few_objects() -> None:
    reference = deployment(name="a") + deployment(name="b")
    owns = dict.fromkeys(ORDER, reference) | {"prod": deployment("replicas: 3", name="a") + deployment(name="b")}
    [found] = proposed(owns, reference)
    assert [(each.kind, each.name) for each in found.objects] == [("Deployment", "a")]


def test_proposals_for_objects_in_some_environments() -> None:
    owns = {
        "dev": deployment() + config("all") + config("two"),
        "test": config("all") + config("two"),
        "prod": deployment() + config("all"),
    }
    found = proposed(owns, deployment())
    assert {each.name: each.environments for each in found} == {
        "in every environment": (),
        "only in dev and test": ("dev", "test"),
        "not in test": ("test",),
    }


def test_guarding_variations_are_listed() -> None:
    role = yaml.safe_dump({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}})
    loose = deployment("replicas: 2", "{securityContext: {privileged: true}}") + role
    owns = {"dev": deployment("replicas: 1"), "test": deployment("replicas: 1"), "prod": loose}
    reference = deployment("replicas: 1")
    variations = proposed(owns, reference)
    found = observed_differences.find_differences(subjects(owns, reference), rule_book.compile_rule_book(PIPELINE))
    assert [each.name for each in variations] == ["replicas", "securityContext", "only in prod"]
    assert variation_proposals.guarding_variations(variations, found) == ("securityContext", "only in prod")


def test_proposals_for_keys_that_cannot_be_written() -> None:
    owns = {name: config(**{"a\nb": name[0]}) for name in ORDER}
    assert short(proposed(owns, config())) == [("data", "/data/*")]


def test_proposals_for_settings_named_after_their_environment() -> None:
    owns = {name: config(**{f"application-{name}.yml": f"level: {name[0]}"}) for name in ORDER}
    assert short(proposed(owns, config())) == [("data", "/data/*")]
