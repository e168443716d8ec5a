"""Refs that keep the commits of releases, also after the trunk is rewritten. Real git, real kustomize."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gitops.core.config_repo.commits import NewCommit
from gitops.core.config_repo.release import Release, parse_release
from tests.worlds.git import git
from tests.worlds.promotion import PromotionWorld, pipeline, world


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    with world(tmp_path) as made:
        made.soak()
        yield made


def release(place: PromotionWorld, environment: str) -> Release:
    file = f"environments/{environment}/release.yaml"
    return parse_release(place.remote.read(file), file)


def kept(place: PromotionWorld) -> set[str]:
    """List the commits that refs below refs/lockstep/ of the remote keep."""
    refs = git(place.remote.directory, "for-each-ref", "--format=%(objectname) %(refname)", "refs/lockstep/")
    pairs = [line.split() for line in refs.splitlines()]
    assert all(ref == f"refs/lockstep/base/{commit}" for commit, ref in pairs)
    return {commit for commit, _ in pairs}


def rewrite(place: PromotionWorld) -> None:
    """Force-push the trunk: the same files, as one commit without a parent."""
    names = git(place.remote.directory, "ls-tree", "-r", "--name-only", "main").splitlines()
    place.remote.write({name: place.remote.read(name) for name in names}, "a history of its own", start=None)
    git(place.remote.directory, "gc", "--quiet", "--prune=now")
    place.repo.fetch()
    place.desired.refresh()


def test_release_refs_keep_both_commits_of_every_release(place: PromotionWorld) -> None:
    adopted = release(place, "test")
    assert kept(place) == {adopted.base, adopted.overlay}
    place.edit_base("order", "new")
    place.push_image("order", 2)
    place.soak()
    promoted = release(place, "test")
    assert promoted.base != promoted.overlay
    assert kept(place) == {adopted.base, promoted.base, promoted.overlay}


def test_release_refs_keep_a_release_by_hand_if_its_commits_are_on_the_trunk(place: PromotionWorld) -> None:
    head = place.edit_base("order", "new")
    place.write({"environments/prod/release.yaml": f"base: {head}\noverlay: {head}\n".encode()})
    place.look()
    assert head in kept(place)


def test_release_refs_do_not_keep_commits_off_the_trunk(place: PromotionWorld) -> None:
    before = kept(place)
    idea = place.repo.write(place.remote.head(), [NewCommit({"idea": b""}, "an idea", place.now)])
    place.write({"environments/prod/release.yaml": f"base: {idea}\noverlay: {idea}\n".encode()})
    place.look()
    assert kept(place) == before


def test_promotions_continue_after_the_trunk_was_rewritten(place: PromotionWorld) -> None:
    old = release(place, "test")
    rewrite(place)
    assert place.desired.at_head("test").off_trunk == {old.base, old.overlay}
    assert place.runs("test") == {"order": "1.1.0", "print": "1.1.0"}
    place.edit_base("order", "new")
    place.push_image("order", 2)
    place.soak()
    assert (place.runs("test")["order"], place.note("test", "order")) == ("1.2.0", "new")
    assert place.desired.at_head("test").off_trunk == frozenset()
    assert place.desired.at_head("prod").off_trunk == {old.base, old.overlay}


def test_release_refs_refused_by_the_host_are_pushed_once_and_promotions_continue(tmp_path: Path) -> None:
    with world(tmp_path) as place:
        asked = tmp_path / "asked"
        refusal = f'case "$1" in refs/lockstep/*) echo "$1" >> {asked}; echo "no such refs" >&2; exit 1;; esac'
        place.remote.hook("update", refusal)
        with capture_logs() as logs:
            place.soak()
            place.begin()
            place.soak()
            place.push_image("order", 2)
            place.soak()
        assert place.runs("test")["order"] == "1.2.0"
        assert kept(place) == set()
        told = [each["message"] for each in logs if each["event"].startswith("releases are not kept")]
        assert len(told) == 3, "once for each start, and once for the new release"
        assert all("no such refs" in message for message in told)
        assert len(asked.read_text().splitlines()) == 3


def test_release_refs_are_not_pushed_for_environments_in_observe_mode(tmp_path: Path) -> None:
    declared = pipeline().replace(b"shop-test,", b"shop-test, sync: {mode: observe},")
    declared = declared.replace(b"shop-prod,", b"shop-prod, sync: {mode: observe},")
    with world(tmp_path, declared) as place:
        place.soak()
        assert kept(place) == set()
