"""Relocation: the copies below environments/ read the same files as the originals."""

from collections.abc import Mapping

import pytest

from gitops.core.kustomize import guard
from gitops.core.onboarding import discovery, relocation
from gitops.core.onboarding.discovery import OverlayRoot
from gitops.core.onboarding.relocation import Relocation
from tests.worlds.rejections import rejection
from tests.worlds.trees import Trees

BASE = {"base/kustomization.yaml": "resources: [d.yaml]\n", "base/d.yaml": "{}\n"}


def relocated(files: Mapping[str, str], root: OverlayRoot) -> Relocation:
    trees = Trees()
    tree = trees.tree(files)
    known = discovery.build_graph(tree, trees.read)
    closure = guard.closure(tree, trees.read, root.path, isolated="")
    return relocation.relocate(root, known, closure.files, trees.read)


def overlay(text: str, directory: str = "overlays/dev") -> dict[str, str]:
    return {**BASE, f"{directory}/kustomization.yaml": text}


WAYS = {
    "plain": ("resources:\n- ../../base\n", "resources:\n- ../../../base\n"),
    "quoted, with a comment": ('resources:\n- "../../base"  # all\n', 'resources:\n- "../../../base"  # all\n'),
    "on one line": ("{resources: [../../base, x.yaml]}\n", "{resources: [../../../base, x.yaml]}\n"),
    "with a slash": ("resources: [../../base/]\n", "resources: [../../../base]\n"),
    "by a detour": ("resources: [../../overlays/../base]\n", "resources: [../../../base]\n"),
    "with returns": ("resources:\r\n- ../../base\r\n", "resources:\r\n- ../../../base\r\n"),
    "below its dash": ("resources:\n-\n  ../../base\n", "resources:\n-\n  ../../../base\n"),
    "as bases": ("bases: [../../base]\n", "bases: [../../../base]\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_references_are_rewritten_and_all_else_stays(way: str) -> None:
    before, after = WAYS[way]
    files = {**overlay(before), "overlays/dev/x.yaml": "{}\n"}
    found = relocated(files, OverlayRoot("dev", "overlays/dev", "api"))
    assert found.files["environments/dev/api/kustomization.yaml"].decode() == after
    assert found.shared == ("base",)


def test_references_at_the_same_depth_stay() -> None:
    text = "resources: [../../base]\n"
    found = relocated(overlay(text), OverlayRoot("dev", "overlays/dev"))
    assert found.files == {"environments/dev/kustomization.yaml": text.encode()}
    assert found.old == {"environments/dev/kustomization.yaml": "overlays/dev/kustomization.yaml"}


def test_overlay_at_its_place_needs_no_copy() -> None:
    found = relocated(overlay("resources: [../../base]\n", "environments/dev"), OverlayRoot("dev", "environments/dev"))
    assert found == Relocation({}, {}, ("base",))


def test_directories_below_the_overlay_are_copied() -> None:
    files = {
        **overlay("resources: [sub]\npatches: [{path: p/x.yaml}]\n"),
        "overlays/dev/sub/kustomization.yaml": "resources: [../../../base]\n",
        "overlays/dev/p/x.yaml": "{}\n",
        "overlays/dev/README.md": "not read\n",
    }
    found = relocated(files, OverlayRoot("dev", "overlays/dev"))
    assert sorted(found.files) == [
        "environments/dev/kustomization.yaml",
        "environments/dev/p/x.yaml",
        "environments/dev/sub/kustomization.yaml",
    ]


def test_directories_with_the_environments_name_are_its_own() -> None:
    files = {
        **BASE,
        "clusters/eu/dev/kustomization.yaml": "resources: [../../../overlays/dev]\n",
        "overlays/dev/kustomization.yaml": "resources: [../../base, x.yaml]\n",
        "overlays/dev/x.yaml": "{}\n",
    }
    found = relocated(files, OverlayRoot("dev", "clusters/eu/dev"))
    texts = {path: content.decode() for path, content in found.files.items()}
    assert texts == {
        "environments/dev/kustomization.yaml": "resources: [overlays-dev]\n",
        "environments/dev/overlays-dev/kustomization.yaml": "resources: [../../../base, x.yaml]\n",
        "environments/dev/overlays-dev/x.yaml": "{}\n",
    }


def test_directories_of_other_environments_are_base() -> None:
    files = {
        **overlay("resources: [../../base]\n", "overlays/staging"),
        "overlays/prod/kustomization.yaml": "resources: [../staging]\n",
    }
    found = relocated(files, OverlayRoot("prod", "overlays/prod"))
    assert found.files["environments/prod/kustomization.yaml"] == b"resources: [../../overlays/staging]\n"
    assert found.shared == ("overlays/staging", "base")


def test_shared_directories_below_environments_become_base() -> None:
    files = {
        "environments/base/kustomization.yaml": "resources: [../lib]\n",
        "environments/lib/kustomization.yaml": "resources: [d.yaml]\n",
        "environments/lib/d.yaml": "{}\n",
        "environments/dev/kustomization.yaml": "resources: [../base]\n",
    }
    found = relocated(files, OverlayRoot("dev", "environments/dev"))
    assert {path: content.decode() for path, content in found.files.items()} == {
        "environments/dev/kustomization.yaml": "resources: [../../base]\n",
        "base/kustomization.yaml": "resources: [lib]\n",
        "base/lib/kustomization.yaml": "resources: [d.yaml]\n",
        "base/lib/d.yaml": "{}\n",
    }
    assert found.shared == ("base", "base/lib")


@pytest.mark.parametrize("name", ["release.yaml", "hold.yaml"])
def test_reserved_names_are_rejected(name: str) -> None:
    files = {**overlay(f"resources: [../../base, {name}]\n"), f"overlays/dev/{name}": "{}\n"}
    assert rejection(lambda: relocated(files, OverlayRoot("dev", "overlays/dev"))) == (
        "ReservedName",
        f"overlays/dev/{name}",
    )


def test_reference_in_an_anchor_is_rejected() -> None:
    files = overlay("x: &b ../../base\nresources: [*b]\n".replace("x: ", "namePrefix: "))
    reason, place = rejection(lambda: relocated(files, OverlayRoot("dev", "overlays/dev", "api")))
    assert reason == "CannotRewrite"
    assert place.startswith("overlays/dev/kustomization.yaml")
