"""`lockstep build` prints the render that runs, byte for byte. The tests compose the two locked commits themselves and
render them with kustomize.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.core.revision import Revision
from gitops.local.cluster import binaries
from tests.worlds.promotion import PromotionWorld, overlay, world


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Order 1.2.0 was promoted to test."""
    with world(tmp_path) as made:
        made.soak()
        made.push_image("order", 2)
        made.soak()
        assert made.runs("test")["order"] == "1.2.0"
        yield made


def by_hand(place: PromotionWorld, name: str, revision: Revision) -> bytes:
    """Render the base commit's tree with the overlay's directory of the overlay commit in it."""
    tree = place.directory / f"tree-{name}-{revision}"
    tree.mkdir()
    for commit, paths in ((revision.base, ["base"]), (revision.overlay, [f"environments/{name}"])):
        archive = subprocess.run(
            ["git", "-C", str(place.remote.directory), "archive", commit, "--", *paths], capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    return kustomize(tree / "environments" / name)


def kustomize(directory: Path) -> bytes:
    command = [str(binaries.ensure("kustomize")), "build", str(directory)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def test_build_of_a_locked_environment_composes_its_two_commits(place: PromotionWorld) -> None:
    applied = place.desired.at_head("test").revision
    built = place.desired.build("test")
    assert built == by_hand(place, "test", applied)
    assert applied.base != applied.overlay


def test_build_of_a_locked_environment_does_not_follow_the_trunk(place: PromotionWorld) -> None:
    before = place.desired.build("test")
    applied = place.desired.at_head("test").revision
    place.edit_base("order", "new")
    place.write({"environments/test/kustomization.yaml": overlay("test", 9, level="debug")})
    assert place.desired.build("test") == before
    assert place.desired.at_head("test").revision == applied
    head = Revision(place.remote.head(), place.remote.head())
    assert by_hand(place, "test", head) != before, "the newest of both commits renders differently"
    assert place.desired.build("dev") == by_hand(place, "dev", head), "dev follows the trunk"
