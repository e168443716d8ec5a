"""`lockstep rollback`, `hold`, `resume` and `promote`, as a person runs them, on real git and real kustomize."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.core.config_repo.release import Release, parse_release
from gitops.core.image_updates.events import ImagePushed
from gitops.image_updates.batch import BatchCache, ImageBatch, ImageSources
from tests.worlds.git import git
from tests.worlds.image_sources import KnownImages
from tests.worlds.promotion import PromotionWorld, image, overlay, pipeline, world

PERSON = {
    "GIT_AUTHOR_NAME": "Wang",
    "GIT_AUTHOR_EMAIL": "wang@example",
    "GIT_COMMITTER_NAME": "Wang",
    "GIT_COMMITTER_EMAIL": "wang@example",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


def lockstep(place: PromotionWorld, *arguments: str, code: int = 0) -> str:
    """Run the command as a person with their own git, then fetch the commits that it pushed."""
    ran = subprocess.run(
        [sys.executable, "-m", "gitops", *arguments, "--repo", place.remote.url],
        env={**os.environ, **PERSON},  # noqa: TID251 - a person's environment
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    place.repo.fetch()
    place.desired.refresh()
    return (ran.stdout if code == 0 else ran.stderr).strip()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Dev, test and prod run the images that they were onboarded with, and those are proven."""
    with world(tmp_path) as made:
        made.soak()
        yield made


def release_two(place: PromotionWorld) -> tuple[bytes, bytes]:
    """Promote order 1.2.0 and an edit of base to test. Return the render of test before and after that."""
    before = place.desired.build("test")
    place.push_image("order", 2)
    place.edit_base("print", "new")
    place.soak()
    place.look()
    after = place.desired.build("test")
    assert place.runs("test")["order"] == "1.2.0"
    assert place.note("test", "print") == "new"
    return before, after


def test_rollback_restores_every_byte_and_automation_never_undoes_it(place: PromotionWorld) -> None:
    before, _ = release_two(place)
    said = lockstep(place, "rollback", "test", "--reason", "orders were lost")
    assert said.startswith("test: roll back test to ")
    assert place.desired.build("test") == before
    release = parse_release(place.remote.read("environments/test/release.yaml"), "release.yaml")
    assert {(each.service, each.digest) for each in release.rejected} == {
        ("order", image("order", 2).digest),
        ("print", image("print", 1).digest),
    }
    assert b"orders were lost" in place.remote.read("environments/test/hold.yaml")
    assert b"who: Wang <wang@example>" in place.remote.read("environments/test/hold.yaml")
    place.soak()
    assert place.desired.build("test") == before
    lockstep(place, "resume", "test")
    place.soak()
    assert place.desired.build("test") == before
    assert "order 1.2.0 was rolled back in test: push a new image" in place.waiting("test")
    place.push_image("order", 3)
    place.edit_base("print", "newer")
    place.soak()
    assert place.runs("test")["order"] == "1.3.0"
    assert place.note("test", "print") == "newer"


def test_rollback_run_again_goes_further_back_and_never_forward(place: PromotionWorld) -> None:
    before, second = release_two(place)
    place.push_image("order", 3)
    place.soak()
    assert place.runs("test")["order"] == "1.3.0"
    lockstep(place, "rollback", "test")
    assert place.desired.build("test") == second
    lockstep(place, "rollback", "test")
    assert place.desired.build("test") == before
    assert "no release before this one" in lockstep(place, "rollback", "test", code=2)


def test_rollback_goes_to_a_named_commit(place: PromotionWorld) -> None:
    first = place.remote.head()
    before, _ = release_two(place)
    place.push_image("order", 3)
    place.soak()
    lockstep(place, "rollback", "test", "--to", first)
    assert place.desired.build("test") == before
    assert "is not a commit" in lockstep(place, "rollback", "test", "--to", "v9", code=2)


def test_rollback_of_the_first_environment_ends_with_resume(place: PromotionWorld) -> None:
    before = place.desired.build("dev")
    place.push_image("order", 2)
    lockstep(place, "rollback", "dev")
    place.edit_base("print", "new")
    assert place.desired.build("dev") == before
    assert "no new images in dev until `lockstep resume`" in _written(place, 2)
    lockstep(place, "resume", "dev")
    assert place.runs("dev")["order"] == "1.1.0"
    assert place.note("dev", "print") == "new"
    assert _written(place, 2) == "dev: order 1.2.0 was rolled back; push a new image"
    assert _written(place, 3).startswith("dev: order 1.3.0")


def test_rollback_restores_settings_and_files_of_the_overlay(place: PromotionWorld) -> None:
    first = place.remote.head()
    before = place.desired.build("test")
    edited = overlay("test", level="debug").replace(b"../../base]", b"../../base, extra.yaml]")
    extra = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}}\n"
    place.write({"environments/test/kustomization.yaml": edited, "environments/test/extra.yaml": extra})
    place.push_image("order", 2)
    place.soak()
    assert place.level("test") == "debug"
    lockstep(place, "rollback", "test", "--to", first)
    assert place.desired.build("test") == before
    listed = git(place.remote.directory, "ls-tree", "--name-only", "main", "environments/test/").splitlines()
    assert [path.rpartition("/")[2] for path in listed] == ["hold.yaml", "kustomization.yaml", "release.yaml"]


def test_hold_stops_promotions_until_resume(place: PromotionWorld) -> None:
    lockstep(place, "hold", "test", "--reason", "stocktaking", "--for", "2h")
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.1.0"
    lockstep(place, "resume", "test")
    place.look()
    assert place.runs("test")["order"] == "1.2.0"
    assert lockstep(place, "resume", "test", code=2).endswith("NotHeld: test is not held")
    assert "overlays are dev, test, prod" in lockstep(place, "hold", "live", "--reason", "x", code=2)


def test_promote_pushes_a_request_tag(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.push_image("print", 2)
    place.soak()
    place.soak()
    said = lockstep(place, "promote", "prod", "print", "--name", "friday")
    assert said == "requested by the tag promote/prod/friday; the page shows what it waits for"
    place.look()
    assert place.runs("prod") == {"order": "1.1.0", "print": "1.2.0"}
    assert "pipeline.yaml has no service cart" in lockstep(place, "promote", "prod", "cart", code=2)
    assert "nothing is promoted to dev" in lockstep(place, "promote", "dev", code=2)
    assert "--skip-gate takes one of soak" in lockstep(place, "promote", "prod", "--skip-gate", "soak", code=2)


def test_promote_skips_a_gate_by_name_and_the_release_records_it(tmp_path: Path) -> None:
    with world(tmp_path, pipeline(prod="when: requested, soak: 1h")) as place:
        place.soak()
        place.push_image("order", 2)
        place.soak()
        place.run()
        place.recorder.observe_again()
        lockstep(place, "promote", "prod", "--skip-gate", "soak", "--reason", "production is down")
        place.look()
        assert place.runs("prod")["order"] == "1.2.0"
        release = parse_release(place.remote.read("environments/prod/release.yaml"), "release.yaml")
        assert release.waived == {"soak": "production is down"}


def _written(place: PromotionWorld, number: int) -> str:
    """Return the sentence that the committer would answer to a push of this build of order."""
    found = image("order", number)
    event = ImagePushed(found.name, found.tag or "", found.digest or "", datetime(2026, 11, 1, tzinfo=UTC))
    batch = ImageBatch(place.repo, place.remote.head(), ImageSources(KnownImages()), BatchCache())
    outcomes = batch.take(event, "a test", place.now)
    batch.commits()
    return batch.sentence(outcomes, place.remote.head())


def test_reason_is_refused_if_it_is_too_long(place: PromotionWorld) -> None:
    head = place.remote.head()
    for arguments in (("hold", "test", "--reason", "x" * 1001), ("rollback", "test", "--reason", "x" * 1001)):
        assert "at least 1 and at most 1000 characters" in lockstep(place, *arguments, code=2)
    assert place.remote.head() == head


class TestRollbackToRefusedRelease:
    """A person wrote a release for test by hand. Admission refused it, and the person reverted it."""

    @pytest.fixture
    def refused(self, place: PromotionWorld) -> str:
        """The commit of the refused release."""
        place.push_image("order", 2)
        place.push_image("print", 2)
        place.soak()
        good = place.remote.read("environments/test/release.yaml")
        unproven = place.edit_base("print", "never proven")
        text = re.sub(rb"(?m)^base: [0-9a-f]{40}", b"base: " + unproven.encode(), good)
        commit = place.write({"environments/test/release.yaml": text}, "test by hand")
        place.write({"environments/test/release.yaml": good}, "Revert")
        return commit

    def test_rollback_to_a_release_that_was_never_admitted_is_refused(
        self, place: PromotionWorld, refused: str
    ) -> None:
        head = place.remote.head()
        said = lockstep(place, "rollback", "test", "--to", refused, "--reason", "x", code=2)
        base = released(place, refused).base
        assert f"NeverProven: test was never let in as it is at {refused[:12]}: dev has not proven base {base}." in said
        assert place.remote.head() == head

    def test_rollback_to_a_release_that_was_never_admitted_needs_waivers_by_name(
        self, place: PromotionWorld, refused: str
    ) -> None:
        base = released(place, refused).base or ""
        assert "--reason" in lockstep(place, "rollback", "test", "--to", refused, "--waive", base, code=2)
        lockstep(place, "rollback", "test", "--to", refused, "--waive", base, "--reason", "it is the lesser evil")
        release = released(place)
        assert release.waived == {"rollback": f"to {refused[:12]}", base: "it is the lesser evil"}
        assert (release.base, release.has_proven_base, release.admits_base()) == (base, False, True)
        assert release.admits("order", image("order", 2).digest or "")

    def test_rollback_skips_releases_that_were_never_admitted(self, place: PromotionWorld, refused: str) -> None:
        """The refused release is skipped even if it stands on the trunk now."""
        place.write({"environments/test/release.yaml": place.remote.read("environments/test/release.yaml", refused)})
        lockstep(place, "rollback", "test")
        assert place.note("test", "print") == ""
        assert place.runs("test") == {"order": "1.2.0", "print": "1.2.0"}
        assert released(place).has_proven_base

    def test_rollback_to_a_commit_without_a_release_is_refused(self, place: PromotionWorld) -> None:
        first = git(place.remote.directory, "rev-list", "--max-parents=0", "main")
        assert "NeverProven" in lockstep(place, "rollback", "test", "--to", first, code=2)


def test_rollback_to_the_first_release_keeps_its_waiver(place: PromotionWorld) -> None:
    adopted = released(place)
    release_two(place)
    lockstep(place, "rollback", "test")
    release = released(place)
    assert release.base == adopted.base
    assert release.waived is not None
    assert "adoption" in release.waiver(release.base or "")
    assert release.admission is not None
    assert {each.waived for each in release.admission.services.values()} == {"adoption"}
    assert not release.has_proven_base


def released(place: PromotionWorld, revision: str = "main") -> Release:
    return parse_release(place.remote.read("environments/test/release.yaml", revision), "release.yaml")
