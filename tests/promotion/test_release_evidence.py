"""The evidence in release.yaml covers the base and the images that it was given for. No commit of Lockstep extends it
to an unproven base or image. Real git, real kustomize.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.core.config_repo.release import Release, parse_release
from gitops.core.health import Health
from tests.promotion.test_manual_edits import chosen
from tests.worlds.git import git
from tests.worlds.promotion import PromotionWorld, pipeline, world

RELEASE = "environments/test/release.yaml"
SETTINGS = "environments/test/kustomization.yaml"
PROD_RELEASE = "environments/prod/release.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Test runs order and print 1.2.0, promoted to it and proven there."""
    with world(tmp_path) as made:
        made.soak()
        made.push_image("order", 2)
        made.push_image("print", 2)
        made.soak()
        assert made.runs("test") == {"order": "1.2.0", "print": "1.2.0"}
        yield made


def base_by_hand(place: PromotionWorld, more: str = "") -> str:
    """Set only the base in test's release, as a person would, to one that dev has never proven. Return that base."""
    unproven = place.edit_base("print", "never proven")
    text = re.sub(rb"(?m)^base: [0-9a-f]{40}", b"base: " + unproven.encode(), place.remote.read(RELEASE))
    place.write({RELEASE: text + more.encode()}, "test by hand")
    return unproven


def soak_while_print_is_broken(place: PromotionWorld, minutes: float = 6) -> None:
    for _ in range(int(minutes * 2)):
        place.now += timedelta(seconds=30)
        place.run(health={"print": Health.DEGRADED}, environments=("dev",))
    place.promoter.read_tags()
    place.promoter.promote_all()


def released(place: PromotionWorld, file: str = RELEASE) -> Release:
    return parse_release(place.remote.read(file), file)


class TestUnprovenBase:
    def test_unproven_base_is_not_admitted_by_the_promotion_of_an_image(self, place: PromotionWorld) -> None:
        unproven = base_by_hand(place)
        place.push_image("order", 3)
        soak_while_print_is_broken(place)
        assert released(place).base == unproven
        assert not released(place).admits_base()
        assert place.subjects(1) == ["order 3"]
        said = f"base {unproven[:12]} is in release.yaml, but dev has never proven it: set it back, or add a waiver"
        assert any(sentence.startswith(said) for sentence in place.waiting("test"))

    def test_unproven_base_is_not_admitted_by_settings_that_follow(self, place: PromotionWorld) -> None:
        base_by_hand(place)
        place.write({SETTINGS: place.remote.read(SETTINGS).replace(b"LEVEL=info", b"LEVEL=debug")}, "a setting")
        soak_while_print_is_broken(place)
        assert not released(place).admits_base()
        assert place.subjects(1) == ["a setting"]

    def test_unproven_base_is_not_admitted_by_settings_under_when_requested(self, tmp_path: Path) -> None:
        """A newer base is proven and waits for a request. Meanwhile no settings are promoted over the unproven base."""
        with world(tmp_path, pipeline(test="when: requested, soak: 5m")) as place:
            place.soak()
            place.push_image("order", 2)
            place.push_image("print", 2)
            place.soak()
            place.tag("promote/test/one")
            place.look()
            assert place.runs("test") == {"order": "1.2.0", "print": "1.2.0"}
            unproven = base_by_hand(place)
            place.edit_base("print", "proven")
            place.write({SETTINGS: place.remote.read(SETTINGS).replace(b"LEVEL=info", b"LEVEL=debug")}, "a setting")
            place.soak()
            assert released(place).base == unproven
            assert not released(place).admits_base()
            assert place.subjects(1) == ["a setting"]

    def test_unproven_base_is_admitted_once_everything_on_it_is_proven(self, place: PromotionWorld) -> None:
        unproven = base_by_hand(place)
        place.push_image("order", 3)
        place.soak()
        assert released(place).base == unproven
        assert released(place).has_proven_base
        assert place.runs("test")["order"] == "1.3.0"

    def test_unproven_base_stays_waived_by_name_while_images_move(self, place: PromotionWorld) -> None:
        unproven = base_by_hand(place, "waived: {}\n")
        text = place.remote.read(RELEASE).replace(b"waived: {}", f"waived: {{{unproven}: an emergency}}".encode())
        place.write({RELEASE: text}, "waived")
        place.push_image("order", 3)
        soak_while_print_is_broken(place)
        assert place.runs("test")["order"] == "1.3.0"
        assert released(place).base == unproven
        assert released(place).waived == {unproven: "an emergency"}
        assert not released(place).has_proven_base

    def test_unproven_base_passes_its_waiver_to_the_service_that_keeps_its_files(self, place: PromotionWorld) -> None:
        unproven = base_by_hand(place)
        text = place.remote.read(RELEASE) + f"waived: {{{unproven}: an emergency}}\n".encode()
        place.write({RELEASE: text}, "waived")
        newer = place.edit_base("order", "newer")
        soak_while_print_is_broken(place)
        release = released(place)
        assert release.base == newer
        assert release.admission is not None
        assert release.admission.services["print"].waived == "an emergency"
        assert release.admission.services["order"].waived == ""


def test_approval_request_names_a_base_that_is_waived(tmp_path: Path) -> None:
    with world(tmp_path, pipeline(prod="when: requested, approvals: {count: 1}")) as place:
        place.push_image("order", 2)
        place.soak()
        place.run()
        place.recorder.observe_again()
        place.tag("promote/prod/one", "x\n\nServices: order")
        place.look()
        [asked] = place.notes.pending("prod").requests
        base = released(place, "environments/prod/release.yaml").base or ""
        assert asked.moves == (f"prod: order 1.2.0, over base {base[:12]} without a proof (adoption)",)


def test_evidence_of_another_environment_does_not_count(place: PromotionWorld) -> None:
    """`cp environments/test/release.yaml environments/prod/`: dev has proven it, but test has not."""
    applied = place.desired.at_head("prod").revision
    place.push_image("order", 3)
    place.edit_base("order", "proven in dev only")
    place.soak()
    assert place.runs("test")["order"] == "1.3.0"
    text = place.remote.read(RELEASE)
    place.write({"environments/prod/release.yaml": text}, "prod by hand")
    stall = chosen(place, applied).stall
    assert stall is not None
    assert stall.reason == "ContractViolated"
    assert "test has never proven this base: release.yaml holds evidence of dev only" in stall.message
    assert "test has never proven print 1.1.0 with this digest" in stall.message
    place.run()
    place.tag("promote/prod/one", "x\n\nServices: order")
    place.look()
    assert place.subjects(1) == ["prod by hand"], "no promotion admits the release"
    assert any("is in release.yaml, but test has never proven it" in each for each in place.waiting("prod"))


def test_waiver_for_onboarding_does_not_count_again_through_a_merged_old_branch(place: PromotionWorld) -> None:
    """`waived: adoption` counts for the first release of an overlay. The branch was made before prod had a release, so
    that its release.yaml is new there.
    """
    applied = place.desired.at_head("prod").revision
    unproven = place.edit_base("print", "never proven")
    before = git(place.remote.directory, "rev-list", "--max-parents=0", "main")
    git(place.person, "fetch", "--quiet", "origin")
    git(place.person, "checkout", "--quiet", "-b", "side", before)
    release = place.person / PROD_RELEASE
    release.write_text(f"base: {unproven}\noverlay: {unproven}\nwaived: adoption\n")
    git(place.person, "add", "--all")
    git(place.person, "commit", "--quiet", "--message", "prod is adopted")
    adopted = release.read_text()
    git(place.person, "checkout", "--quiet", "-B", "main", "origin/main")
    git(place.person, "merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    release.write_text(adopted)
    git(place.person, "add", "--all")
    git(place.person, "commit", "--quiet", "--message", "merge side")
    git(place.person, "push", "--quiet", "origin", "main")
    place.repo.fetch()
    place.desired.refresh()
    assert place.remote.read(PROD_RELEASE).decode() == adopted
    stall = chosen(place, applied).stall
    assert stall is not None
    assert "git does not show which one was the first" in stall.message
    assert "test has never proven this base" in stall.message
    assert f'`waived: {{"{unproven}": "<why>"}}`' in stall.message
    place.run()
    place.tag("promote/prod/one", "x\n\nServices: order")
    place.look()
    assert place.subjects(1) == ["merge side"], "no promotion builds on the release either"
