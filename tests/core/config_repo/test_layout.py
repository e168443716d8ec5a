"""The overlays of a tree: literal paths -> overlays and problems."""

from gitops.core.config_repo import layout, pipeline
from gitops.core.config_repo.layout import Overlay

SMALL = """\
environments:
  dev: {namespace: shop-dev}
  prod: {namespace: shop-prod, after: dev}
"""


def test_overlays_are_one_for_an_environment_or_one_for_each_directory() -> None:
    paths = [
        "base/platform/kustomization.yaml",
        "environments/dev/kustomization.yaml",
        "environments/dev/part/kustomization.yaml",
        "environments/prod/order/Kustomization",
        "environments/prod/api/kustomization.yml",
        "environments/prod/api/deeper/kustomization.yaml",
        "environments/prod/my.app/kustomization.yaml",
        "environments/old/kustomization.yaml",
    ]
    found = pipeline.parse(("platform: {path: base/platform}\n" + SMALL).encode())
    assert layout.overlays(found, paths) == (
        Overlay("platform", "platform", "base/platform", ""),
        Overlay("dev", "dev", "environments/dev", "shop-dev"),
        Overlay("prod/api", "prod", "environments/prod/api", "shop-prod", "dev"),
        Overlay("prod/order", "prod", "environments/prod/order", "shop-prod", "dev"),
    )
    assert [error.reason for error in layout.problems(found, paths)] == ["InvalidName", "NotDeclared"]


def test_problems_name_an_environment_without_an_overlay() -> None:
    found = pipeline.parse(SMALL.encode())
    assert [overlay.name for overlay in layout.overlays(found, ["environments/dev/kustomization.yaml"])] == ["dev"]
    assert [str(e) for e in layout.problems(found, ["environments/dev/kustomization.yaml"])] == [
        "environments/prod/ has no kustomization.yaml, so nothing is deployed; add one"
    ]


def test_kustomization_of_a_directory_and_not_of_one_below() -> None:
    paths = {"base/Kustomization", "base/order/kustomization.yaml"}
    assert layout.kustomization("base", paths) == "base/Kustomization"
    assert layout.kustomization("environments", paths) is None


def test_overlay_of_the_platform() -> None:
    platform = Overlay("platform", "platform", "base/platform", "")
    environment = Overlay("platform", "platform", "environments/platform", "shop-platform")
    assert (platform.is_platform, environment.is_platform) == (True, False)
    assert platform.file == "base/platform/kustomization.yaml"
