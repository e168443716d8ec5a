"""Manifests and the policy of an environment -> Desired."""

from dataclasses import replace

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.compose import Composition
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Release
from gitops.core.config_repo.tree import Blob
from gitops.core.images.reference import Image
from gitops.core.kustomize.guard import Closure
from gitops.core.manifests.manifest import Manifest
from gitops.core.objects import Key
from gitops.core.revision import Revision
from gitops.core.sync import desired
from gitops.core.sync.desired import Desired, Rendered

A = "a" * 40
PROD = Overlay("prod", "prod", "environments/prod", "shop-prod", "dev")
PLATFORM = Overlay("platform", "platform", "base/platform", "")
KEY = Key("", "Pod", "shop-prod", "order")
SPEC = {"containers": [{"image": "h.example/order:1"}, {"image": "h.example/side/car:2"}]}
MANIFEST = Manifest(KEY, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "order"}, "spec": SPEC}, "hash")
CLOSURE = Closure(PROD.path, {"environments/prod/kustomization.yaml": Blob("100644", "1")}, "key")


def parse(prod: str) -> Pipeline:
    text = (
        "services: {orders: {image: h.example/order, tags: {follow: main}}}\n"
        f"environments: {{dev: {{namespace: shop-dev}}, prod: {{namespace: shop-prod, after: dev{prod}}}}}"
    )
    return pipeline.parse(text.encode())


def assemble(declared: Pipeline | None, overlay: Overlay = PROD, composition: Composition | None = None) -> Desired:
    composed = composition or Composition(Revision(A, A), {})
    return desired.assemble(declared, overlay, composed, CLOSURE, Rendered((MANIFEST,), frozenset({KEY})))


def test_desired_has_the_content_of_its_render() -> None:
    found = assemble(parse(""))
    assert (found.revision, found.key, found.manifests, found.keys, found.scaled, found.files) == (
        Revision(A, A),
        "key",
        (MANIFEST,),
        frozenset({KEY}),
        frozenset({KEY}),
        CLOSURE.files,
    )
    assert found.images == {"orders": Image("h.example/order", "1"), "car": Image("h.example/side/car", "2")}


@pytest.mark.parametrize(
    ("prod", "field", "value"),
    [
        ("", "heal", True),
        (", drift: report", "heal", False),
        ("", "withheld", ""),
        (", sync: {mode: observe}", "withheld", "observe mode: nothing is written (sync.mode: observe)"),
        ("", "kept", ""),
        (", sync: {prune: {enabled: false}}", "kept", "sync.prune.enabled is false for this environment"),
        ("", "strip", True),
        (", sync: {foreign: report}", "strip", False),
        (", sync: {prune: {budget: 3}}", "prune_budget", 3),
        (", sync: {adopt: [flux]}", "adopt", frozenset({"flux"})),
    ],
)
def test_desired_has_the_policy_of_its_environment(prod: str, field: str, value: object) -> None:
    assert getattr(assemble(parse(prod)), field) == value


def test_desired_of_the_platform_is_never_pruned_nor_stripped() -> None:
    found = assemble(parse(""), PLATFORM)
    assert (found.kept, found.strip) == ("the platform is never pruned; delete it by hand", False)


def test_desired_without_a_pipeline_is_applied_and_healed() -> None:
    found = assemble(None)
    assert (found.withheld, found.heal, found.strip, found.prune_budget) == ("", True, False, 10)


def test_desired_waits_for_a_promotion_of_its_settings() -> None:
    pending = Composition(Revision(A, A), {}, Release(base=A, overlay=A), pending=True)
    found = assemble(parse(""), composition=pending)
    assert (found.is_locked, found.waiting) == (True, ("settings on the trunk wait for a promotion",))


def test_desired_is_equal_by_its_manifests() -> None:
    one = assemble(parse(""))
    assert one.is_equal(replace(one, revision=Revision("b" * 40, A)))
    assert not one.is_equal(replace(one, manifests=(replace(MANIFEST, hash="other"),)))
