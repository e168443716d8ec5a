import json
from datetime import timedelta

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.environments import ForeignFieldPolicy
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Release
from gitops.core.config_repo.services import TagOrder
from gitops.core.errors import Rejected
from gitops.core.parsing import models
from tests import ROOT

EXAMPLE = (ROOT / "environments" / "pipeline.yaml").read_bytes()
SMALL = """\
services:
  order: {image: harbor.example/shop/order, tags: {semver: ">=1.4 <2"}}
environments:
  dev:
    namespace: shop-dev
    images: newest
  prod:
    namespace: shop-prod
    after: dev
    promote: {when: requested, soak: 1h30m}
"""
SHA = "0123456789abcdef0123456789abcdef01234567"


def message(text: str) -> str:
    with pytest.raises(Rejected) as caught:
        pipeline.parse(text.encode(), "p.yaml")
    assert caught.value.reason in {"InvalidPipeline", "InvalidYaml"}
    return str(caught.value)


def test_pipeline_of_this_repository_is_parsed() -> None:
    found = pipeline.parse(EXAMPLE)
    assert found.order == ("dev", "test", "prod")
    assert found.services["order"].tags.order is TagOrder.PUSHED
    assert found.environments["prod"].promote is not None
    assert found.environments["prod"].promote.soak == timedelta(hours=1)
    assert [found.foreign(name) for name in found.order] == [
        ForeignFieldPolicy.REPORT,
        ForeignFieldPolicy.REPORT,
        ForeignFieldPolicy.REMOVE,
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("images: newest", "image: newest", "p.yaml:6: unknown field `environments.dev.image`"),
        ("    namespace: shop-dev\n", "", "p.yaml:4: `environments.dev.namespace` is missing"),
        ("namespace: shop-dev", "namespace: shop.dev", "p.yaml:5: `environments.dev.namespace` must be a name"),
        (
            "namespace: shop-dev",
            "namespace: 7",
            "p.yaml:5: `environments.dev.namespace` must be a valid string",
        ),
        ("1h30m", "soon", "p.yaml:10: `environments.prod.promote.soak` must be a duration"),
        ("1h30m", "1h, rollback: {within: 0s}", "p.yaml:10: `environments.prod.promote.rollback.within` must be"),
        ("1h30m", "1h, rollback: {}", "p.yaml:10: `environments.prod.promote.rollback"),
        ("1h30m", "90", "p.yaml:10: `environments.prod.promote.soak` must be a duration"),
        ("when: requested", "when: later", "p.yaml:10: `environments.prod.promote.when` must be 'proven' or"),
        ("after: dev", "after: nowhere", "p.yaml:9: prod comes after `nowhere`, which is not declared"),
        ("images: newest", "after: prod", "p.yaml:6: `after` forms a cycle: dev, prod"),
        ("shop-prod", "shop-dev", "p.yaml:8: dev and prod share the namespace shop-dev"),
        (">=1.4 <2", "newest", "p.yaml:2: `services.order.tags` semver must be a range"),
        ("{semver:", "{follow: latest, semver:", "p.yaml:2: `services.order.tags` needs exactly one of"),
        ('{semver: ">=1.4 <2"}', "{pattern: '('}", "p.yaml:2: `services.order.tags.pattern` is not a regular"),
        ('{semver: ">=1.4 <2"}', "{pattern: 'x', order: numeric}", "p.yaml:2: `services.order.tags` order: numeric"),
        ("shop/order", "shop/order:1.0", "p.yaml:2: `services.order.image` must be an image name"),
        ("    images: newest", "    promote: {when: proven}", "p.yaml:4: `environments.dev` promote needs `after`"),
        ("after: dev", "after: dev\n    images: newest", "p.yaml:7: `environments.prod` images: newest needs"),
        ("services:", "services: [", "p.yaml:3: is not YAML"),
        ("services:", "services:\n  order: 1\nservices:", "p.yaml:3: duplicate key `services`"),
    ],
)
def test_pipeline_errors_name_their_line(old: str, new: str, said: str) -> None:
    assert old in SMALL
    assert message(SMALL.replace(old, new, 1)).startswith(said)


def test_pipeline_errors_come_together() -> None:
    said = message(SMALL.replace("images", "image").replace("1h30m", "soon"))
    assert said.startswith("p.yaml:6: unknown field")
    assert "; line 10: `environments.prod.promote.soak` must be a duration" in said


def test_pipeline_errors_quote_no_value() -> None:
    assert "hunter2" not in message(SMALL.replace("1h30m", "hunter2"))


def test_pipeline_order_with_several_environments_after_one() -> None:
    text = SMALL + "  prod-eu: {namespace: shop-eu, after: dev}\n  dr: {namespace: shop-dr, after: prod-eu}\n"
    found = pipeline.parse(text.encode())
    assert found.order == ("dev", "prod", "prod-eu", "dr")
    assert found.following("dev") == ("prod", "prod-eu")


@pytest.mark.parametrize(
    ("file", "model", "title"),
    [("pipeline", Pipeline, pipeline.FILE), ("release", Release, "release.yaml")],
)
def test_pipeline_and_release_schemas_are_up_to_date(file: str, model: type[models.StrictModel], title: str) -> None:
    published = ROOT / "docs" / f"{file}.schema.json"
    expected = models.json_schema(model, title)
    if published.read_text() != expected:
        published.write_text(expected)
        pytest.fail(f"docs/{file}.schema.json was out of date and has been written anew: commit it")
    assert json.loads(expected)["title"] == title
