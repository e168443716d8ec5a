"""For random histories of images, base and settings, on real git and real kustomize: after a promotion nothing is
pending, and a rollback restores the exact bytes.
"""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.adapters.git.work_tree import WorkTree
from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.parity import ParityComparer
from gitops.core.config_repo import compose, pipeline
from gitops.core.config_repo.release import Hold
from gitops.core.contract.parity import DifferenceStatus
from gitops.core.kustomize import image_edit
from gitops.core.promotion import rollback
from gitops.core.promotion.rollback import OverlayState
from tests.worlds.promotion import SERVICES, SETTINGS, PromotionWorld, world
from tests.worlds.promotion import pipeline as declared

IMAGE = st.tuples(st.just("image"), st.sampled_from(SERVICES), st.integers(2, 6))
BASE = st.tuples(st.just("base"), st.sampled_from(SERVICES), st.integers(1, 4))
LEVEL = st.tuples(st.just("level"), st.sampled_from(["dev", "test"]), st.integers(1, 4))
Edit = tuple[str, str, int]
EDITS = st.lists(st.one_of(IMAGE, BASE, LEVEL), min_size=1, max_size=5)


def carry_out(place: PromotionWorld, edit: Edit) -> None:
    kind, what, number = edit
    if kind == "image":
        place.push_image(what, number)
    elif kind == "base":
        place.edit_base(what, f"note {number}")
    else:
        file = f"environments/{what}/kustomization.yaml"
        before = place.remote.read(file).decode()
        line = next(line for line in before.splitlines() if "literals" in line)
        place.write({file: before.replace(line, f"  literals: [LEVEL=level-{number}]").encode()})


def pending(place: PromotionWorld) -> list[str]:
    """List the differences between dev and test that parity calls pending."""
    repo = WorkTree(place.remote.directory, {})
    try:
        comparer = ParityComparer(repo, place.renderer, RenderCache(place.directory / "surveys"))
        (pair,) = comparer.parity(repo.head("main"), "dev", "test")
    finally:
        repo.close()
    assert pair.is_equal, pair
    return [str(finding) for finding in pair.findings if finding.status is DifferenceStatus.PENDING]


@settings(max_examples=8, deadline=None)
@given(edits=EDITS)
def test_promotion_leaves_nothing_pending(edits: Sequence[Edit]) -> None:
    with tempfile.TemporaryDirectory() as directory, world(Path(directory), declared(variations=SETTINGS)) as place:
        place.soak()
        for edit in edits:
            carry_out(place, edit)
        place.soak()
        assert pending(place) == []


@settings(max_examples=8, deadline=None)
@given(history=st.lists(EDITS, min_size=1, max_size=3), back=st.integers(0, 3))
def test_rollback_restores_the_exact_bytes(history: Sequence[Sequence[Edit]], back: int) -> None:
    with tempfile.TemporaryDirectory() as directory, world(Path(directory)) as place:
        place.soak()
        rendered = [(place.remote.head(), place.desired.build("test"))]
        for edits in history:
            for edit in edits:
                carry_out(place, edit)
            place.soak()
            rendered.append((place.remote.head(), place.desired.build("test")))
        commit, expected = rendered[back % len(rendered)]
        roll_back(place, commit)
        assert place.desired.build("test") == expected
        place.soak()
        assert place.desired.build("test") == expected


def roll_back(place: PromotionWorld, commit: str) -> None:
    """Write the edit that `lockstep rollback test --to <commit>` makes."""
    test = place.desired.overlays()["test"]
    edits = rollback.rollback(test, state(place, place.remote.head()), state(place, commit), place.repo.read)
    hold = Hold(who="Wang", why="a test", since=datetime(2026, 11, 1, tzinfo=UTC))
    edits |= rollback.hold_edit(test.path, hold)
    assert None not in edits.values()
    place.write({path: content for path, content in edits.items() if content is not None})


def state(place: PromotionWorld, commit: str) -> OverlayState:
    tree = place.repo.tree(commit)
    release = compose.read_release(place.desired.overlays()["test"], tree, place.repo.read)
    assert release is not None
    file = "environments/test/kustomization.yaml"
    locked = place.repo.tree(release.overlay or commit)
    services = {each.image: name for name, each in pipeline.parse(declared()).services.items()}
    found = image_edit.images(place.repo.read(locked[file].id), file)
    return OverlayState(commit, tree, release, {services[image.name]: image for image in found})


def test_promotion_that_is_due_shows_as_pending(tmp_path: Path) -> None:
    """`test_promotion_leaves_nothing_pending` would notice a difference that is left."""
    with world(tmp_path, declared(variations=SETTINGS)) as place:
        place.soak()
        place.push_image("order", 2)
        place.edit_base("print", "new")
        assert len(pending(place)) >= 2
