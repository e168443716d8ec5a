"""Output of kustomize -> manifests in scope, labelled, without replicas that an autoscaler owns."""

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.manifests.cluster_scoped import is_namespaced
from gitops.core.objects import Key
from gitops.core.ownership.applyset import PART_OF_LABEL, applyset_of
from gitops.core.sync import rendering
from gitops.core.sync.rendering import RenderRules
from tests.worlds.rejections import rejection

DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
RULES = RenderRules(pipeline.parse(b"environments: {dev: {namespace: shop-dev}}"))
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: order}\nspec: {replicas: 2}\n"
SCALER = """---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: order}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: order}}
"""


def test_rendering_labels_manifests_as_members_of_the_overlay() -> None:
    found = rendering.parse_render(DEPLOYMENT.encode(), DEV, RULES, is_namespaced)
    (manifest,) = found.manifests
    assert manifest.key == Key("apps", "Deployment", "shop-dev", "order")
    assert manifest.body["metadata"]["labels"] == {PART_OF_LABEL: applyset_of("dev")}
    assert (manifest.body["spec"], found.scaled) == ({"replicas": 2}, frozenset())


def test_rendering_leaves_out_replicas_that_an_autoscaler_owns() -> None:
    found = rendering.parse_render(f"{DEPLOYMENT}{SCALER}".encode(), DEV, RULES, is_namespaced)
    assert found.manifests[0].body["spec"] == {}
    assert found.scaled == {Key("apps", "Deployment", "shop-dev", "order")}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ("{name: order, namespace: shop-prod}", "OutOfScope"),
        ("{name: order, annotations: {lockstep.gitops/sync-wave: first}}", "InvalidAnnotation"),
        ("{generateName: order-}", "InvalidManifest"),
    ],
)
def test_rendering_refusals(metadata: str, reason: str) -> None:
    text = DEPLOYMENT.replace("{name: order}", metadata).encode()
    assert rejection(lambda: rendering.parse_render(text, DEV, RULES, is_namespaced))[0] == reason
