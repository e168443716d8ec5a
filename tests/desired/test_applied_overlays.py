"""Overlays at the head beside what was applied last, over a real config repo and real kustomize."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.adapters.kustomize.builder import Kustomize
from gitops.core.revision import Revision
from gitops.core.sync.sync_target import DesiredAtHead
from gitops.desired.applied_overlays import AppliedOverlays
from gitops.local.cluster import binaries
from gitops.render.builds import Builds
from tests.desired.test_desired_state import Place, overlay


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.repo.close()


def test_applied_overlay_is_compared_again_in_another_namespace(place: Place, tmp_path: Path) -> None:
    """The namespace stands in pipeline.yaml, and the key of the overlay's files does not tell it."""
    place.refresh()
    old = place.repo.head()
    place.push({"environments/dev/kustomization.yaml": overlay("dev", "2.0.0")})
    renderer = Kustomize(binaries.ensure("kustomize"), tmp_path / "renders")
    compared = AppliedOverlays(place.repo, Builds(place.repo, renderer))
    desired = place.desired.at_head("dev")
    for namespace in ("shop-dev", "shop-eu"):
        wanted = replace(desired, overlay=replace(desired.overlay, namespace=namespace))
        heads = {"dev": DesiredAtHead(wanted.overlay, place.repo.head(), wanted)}
        before = compared.unapplied(heads, {"dev": Revision(old, old)})["dev"]
        assert before is not None
        assert before.overlay.namespace == namespace


def test_applied_overlay_with_the_same_files_is_not_listed(place: Place, tmp_path: Path) -> None:
    place.refresh()
    old = place.repo.head()
    place.push({"README.md": b"nothing that a build reads\n"})
    compared = AppliedOverlays(place.repo, Builds(place.repo, Kustomize(binaries.ensure("kustomize"), tmp_path / "r")))
    heads = place.desired.resolve_applied({"dev"})
    assert "dev" not in compared.unapplied(heads, {"dev": Revision(old, old)})
