from collections.abc import Mapping

import pytest

from gitops.core.config_repo import compose
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.tree import Tree
from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from tests.worlds.rejections import rejection
from tests.worlds.trees import Link, Trees

DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
PROD = Overlay("prod", "prod", "environments/prod", "shop-prod", after="dev")
PLATFORM = Overlay("platform", "platform", "base/platform", "")
OLD, HEAD, GONE = "a" * 40, "b" * 40, "c" * 40


class History(Trees):
    def __init__(self, **revisions: Mapping[str, str | Link]) -> None:
        super().__init__()
        self.trees = {{"old": OLD, "head": HEAD}[name]: self.tree(files) for name, files in revisions.items()}

    def tree_of(self, revision: str) -> Tree:
        if revision not in self.trees:
            raise Rejected("UnknownRevision", revision)
        return self.trees[revision]

    def compose(self, overlay: Overlay) -> compose.Composition:
        return compose.compose(overlay, HEAD, self.tree_of, self.read)

    def texts(self, tree: Tree) -> dict[str, str]:
        return {path: self.blobs[tree[path].id].decode() for path in tree}


def locked(base: str = OLD, overlay: str = OLD) -> str:
    return f"base: {base}\noverlay: {overlay}\n"


def test_compose_of_the_first_environment_is_the_head_without_other_environments() -> None:
    world = History(head={"base/a": "1", "environments/dev/k": "d", "environments/prod/k": "p", "environments/x": ""})
    found = world.compose(DEV)
    assert found.revision == Revision(HEAD, HEAD)
    assert world.texts(found.tree) == {"base/a": "1", "environments/dev/k": "d"}
    assert len(found.tree) == 2
    assert "environments/prod/k" not in found.tree
    assert not found.pending


def test_compose_takes_the_commits_of_a_release() -> None:
    world = History(
        old={"base/a": "old", "environments/prod/k": "old", "environments/dev/k": "old"},
        head={"base/a": "new", "environments/prod/k": "new", "environments/prod/release.yaml": locked()},
    )
    found = world.compose(PROD)
    assert found.revision == Revision(OLD, OLD)
    assert world.texts(found.tree) == {"base/a": "old", "environments/prod/k": "old"}
    assert found.pending


def test_compose_takes_base_and_overlay_from_different_commits() -> None:
    world = History(
        old={"base/a": "old", "environments/prod/k": "old"},
        head={"base/a": "new", "environments/prod/k": "new", "environments/prod/release.yaml": locked(overlay=HEAD)},
    )
    found = world.compose(PROD)
    assert world.texts(found.tree) | {"environments/prod/release.yaml": ""} == {
        "base/a": "old",
        "environments/prod/k": "new",
        "environments/prod/release.yaml": "",
    }
    assert not found.pending


def test_compose_does_not_count_release_and_hold_as_settings() -> None:
    hold = "who: Li\nwhy: x\nsince: 2026-11-01T00:00:00Z\n"
    head = {"environments/prod/k": "1", "environments/prod/release.yaml": locked(), "environments/prod/hold.yaml": hold}
    found = History(old={"environments/prod/k": "1"}, head=head).compose(PROD)
    assert not found.pending
    assert [each.who for each in found.holds.each] == ["Li"]


def test_compose_reads_the_hold_of_the_environment_for_its_overlays() -> None:
    overlay = Overlay("dev/order", "dev", "environments/dev/order", "shop-dev")
    world = History(head={"environments/dev/hold.yaml": "who: Li\nwhy: x\nsince: 2026-11-01T00:00:00Z\n"})
    assert world.compose(overlay).holds.each


def test_compose_of_a_first_environment_that_is_locked() -> None:
    world = History(old={"base/a": "old"}, head={"base/a": "new", "environments/dev/release.yaml": locked()})
    assert world.compose(DEV).revision == Revision(OLD, OLD)


def test_compose_of_the_platform_is_the_head_without_environments() -> None:
    world = History(head={"base/platform/k": "1", "base/platform/release.yaml": "x", "environments/dev/k": "d"})
    found = world.compose(PLATFORM)
    assert found.revision == Revision(HEAD, HEAD)
    assert sorted(found.tree) == ["base/platform/k", "base/platform/release.yaml"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ("NotReleased", "environments/prod/release.yaml")),
        ({"environments/prod/release.yaml": locked(base=GONE)}, ("UnknownRevision", "environments/prod/release.yaml")),
        ({"environments/prod/release.yaml": "base: x"}, ("InvalidRelease", "environments/prod/release.yaml:1")),
        ({"environments/prod/release.yaml": Link()}, ("NotAFile", "environments/prod/release.yaml")),
        (
            {"environments/prod/release.yaml": locked(), "environments/prod/hold.yaml": "who: Li"},
            ("InvalidHold", "environments/prod/hold.yaml:1"),
        ),
    ],
)
def test_compose_errors_name_the_file(files: dict[str, str | Link], expected: tuple[str, str]) -> None:
    assert rejection(lambda: History(old={}, head=files).compose(PROD)) == expected
