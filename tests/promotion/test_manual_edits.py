"""Edits that people commit to an environment themselves: images, releases and new services. Each is judged like every
other commit, and none counts as proven.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.adapters.kustomize.render_cache import RenderCache
from gitops.contract.head_surveys import HeadSurveys
from gitops.core.config_repo.release import parse_release
from gitops.core.revision import Revision
from gitops.core.sync.sync_target import SyncTarget
from gitops.desired.applied_overlays import AppliedOverlays
from gitops.reconcile.admission import OverlayAdmission
from gitops.render.builds import Builds
from tests.worlds.promotion import PromotionWorld, image, pipeline, workload, world
from tests.worlds.targets import Targets

RELEASE = "environments/prod/release.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Test has proven order 1.2.0; prod runs 1.1.0."""
    with world(tmp_path) as made:
        made.soak()
        made.push_image("order", 2)
        made.soak()
        made.soak()
        assert made.runs("test")["order"] == "1.2.0"
        assert made.runs("prod")["order"] == "1.1.0"
        yield made


def chosen(place: PromotionWorld, applied: Revision | None) -> SyncTarget:
    """Choose the sync target of the next pass over prod."""
    builds = Builds(place.repo, place.renderer)
    surveys = HeadSurveys(builds, RenderCache(place.directory / "surveys"))
    admission = OverlayAdmission(place.desired, AppliedOverlays(place.repo, builds), surveys)
    ran = {} if applied is None else dict.fromkeys(place.desired.overlays(), applied)
    return Targets(place.desired, admission, ran, lambda: place.now).target("prod")


def release_by_hand(place: PromotionWorld, more: str = "waived: adoption\n", *, base: str = "") -> None:
    """Write a release.yaml for prod that names the trunk's head, as a person would after an edit of the overlay."""
    head = place.remote.head()
    place.write({RELEASE: f"base: {base or head}\noverlay: {head}\n{more}".encode()}, "prod by hand")


class TestImageCommittedOnTheTrunk:
    def test_proven_image_on_the_trunk_is_promoted_alone(self, place: PromotionWorld) -> None:
        place.push_image("order", 2, "prod")
        place.look()
        assert place.runs("prod") == {"order": "1.2.0", "print": "1.1.0"}
        assert place.subjects(1) == ["prod: order 1.2.0 from test"]
        assert "Lockstep-Cause: committed on the trunk, proven in test" in place.last()
        release = parse_release(place.remote.read(RELEASE), RELEASE)
        assert release.admits("order", image("order", 2).digest or "")

    def test_unproven_image_on_the_trunk_waits_for_a_proof(self, place: PromotionWorld) -> None:
        place.push_image("order", 3, "prod")
        place.look()
        assert place.runs("prod")["order"] == "1.1.0"
        said = "order: its image was edited on the trunk without a release, and test has not proven 1.3.0"
        assert any(sentence.startswith(said) for sentence in place.waiting("prod"))

    def test_image_on_the_trunk_must_pass_the_gates(self, tmp_path: Path) -> None:
        with world(tmp_path, pipeline(prod="when: requested, approvals: {count: 1}")) as place:
            place.soak()
            place.push_image("order", 2)
            place.soak()
            place.soak()
            place.push_image("order", 2, "prod")
            place.look()
            assert place.runs("prod")["order"] == "1.1.0"
            assert any("needs 1 approvals" in sentence for sentence in place.waiting("prod"))

    def test_image_on_the_trunk_after_a_reverted_release_is_not_promoted(self, place: PromotionWorld) -> None:
        before = place.remote.read(RELEASE)
        place.tag("promote/prod/one")
        place.look()
        assert place.runs("prod")["order"] == "1.2.0"
        place.write({RELEASE: before}, "Revert prod")
        place.write({"environments/prod/kustomization.yaml": _with_level(place)}, "a setting of prod")
        place.look()
        assert place.runs("prod")["order"] == "1.1.0"


class TestReleaseWrittenByHand:
    def test_release_by_hand_is_not_admitted_without_evidence(self, place: PromotionWorld) -> None:
        applied = place.desired.at_head("prod").revision
        place.push_image("order", 3, "prod")
        release_by_hand(place)
        target = chosen(place, applied)
        assert target.stall is not None
        assert target.stall.reason == "ContractViolated"
        assert "test has never proven this base" in target.stall.message
        assert "test has never proven order 1.3.0 with this digest" in target.stall.message
        assert f'`waived: {{"{image("order", 3).digest}": "<why>"}}`' in target.stall.message
        assert target.desired is not None
        assert target.desired.revision == applied, "the applied revision is healed meanwhile"

    def test_release_by_hand_is_admitted_if_each_part_is_waived_by_name(self, place: PromotionWorld) -> None:
        applied = place.desired.at_head("prod").revision
        place.push_image("order", 3, "prod")
        head = place.remote.head()
        waived = f"waived:\n  {head}: a hotfix\n  {image('order', 3).digest}: a hotfix\n"
        release_by_hand(place, f"{waived}  {image('print', 1).digest}: as before\n")
        target = chosen(place, applied)
        assert target.stall is None
        assert place.runs("prod")["order"] == "1.3.0"
        place.push_image("order", 4, "prod")
        release_by_hand(place, waived, base=head)
        later = chosen(place, applied)
        assert later.stall is not None, "a waiver counts only for the digest or commit that it names"
        assert "order 1.4.0" in later.stall.message

    def test_release_by_hand_that_is_applied_already_is_not_stopped(self, place: PromotionWorld) -> None:
        place.push_image("order", 3, "prod")
        release_by_hand(place)
        assert chosen(place, place.desired.at_head("prod").revision).stall is None

    def test_first_release_is_waived_by_a_word_and_so_is_a_revert_to_it(self, place: PromotionWorld) -> None:
        adopted = place.remote.read(RELEASE)
        assert chosen(place, None).stall is None
        place.tag("promote/prod/one")
        place.look()
        applied = place.desired.at_head("prod").revision
        place.write({RELEASE: adopted}, "Revert prod")
        assert chosen(place, applied).stall is None
        assert place.runs("prod")["order"] == "1.1.0"

    def test_release_by_hand_is_not_proven_by_the_promotion_of_another_service(self, place: PromotionWorld) -> None:
        """Admission never passed this image of print; a promotion of order must not give it evidence."""
        place.push_image("print", 3, "prod")
        release_by_hand(place, base=place.desired.at_head("prod").revision.base)
        place.tag("promote/prod/one", "x\n\nServices: order")
        place.look()
        assert place.runs("prod")["print"] == "1.3.0", "the trunk has this image, though admission refuses it"
        assert place.subjects(1) == ["prod by hand"]
        assert any("print: its release.yaml has no evidence" in each for each in place.waiting("prod"))


class TestNewService:
    """A service is new in base and dev. The kustomizations of later environments name no image for it yet."""

    def test_new_service_is_promoted_with_its_image(self, place: PromotionWorld) -> None:
        introduce(place)
        assert "cart 1.1.0 soaks in dev until" in " ".join(_looked(place))
        before = place.remote.read("environments/test/kustomization.yaml")
        place.soak()
        assert place.runs("test")["cart"] == "1.1.0"
        after = place.remote.read("environments/test/kustomization.yaml")
        entry = f'- name: {image("cart", 1).name}\n  newTag: "1.1.0"\n  digest: "{image("cart", 1).digest}"\n'
        assert after == before + entry.encode()
        assert place.subjects(2)[0].startswith("test: cart 1.1.0, base ")
        place.soak()
        place.tag("promote/prod/cart")
        place.look()
        assert place.runs("prod")["cart"] == "1.1.0"

    def test_new_service_keeps_base_back_until_it_is_proven(self, place: PromotionWorld) -> None:
        place.stopped = {"cart"}
        introduce(place)
        place.soak()
        place.push_image("order", 3)
        place.soak()
        assert "cart" not in place.runs("test")
        assert "cart 1.1.0 never ran in dev: no ready pod of it was seen" in place.waiting("test")

    def test_new_service_stays_behind_if_a_request_names_other_services(self, place: PromotionWorld) -> None:
        introduce(place)
        place.tag("promote/test/one", "x\n\nServices: print\n\n--skip-gate soak --reason a try")
        place.look()
        assert "cart" not in place.runs("test")


def introduce(place: PromotionWorld) -> None:
    """Add a service in one commit, as a person does: base, its image in dev, and its row in pipeline.yaml."""
    declared = place.remote.read("environments/pipeline.yaml")
    row = b"services:\n  cart: {image: registry.example/cart, tags: {semver: '>=1'}}\n"
    found = image("cart", 1)
    entry = f'- name: {found.name}\n  newTag: "{found.tag}"\n  digest: {found.digest}\n'.encode()
    place.write(
        {
            "environments/pipeline.yaml": declared.replace(b"services:\n", row),
            "base/kustomization.yaml": b"resources: [order, print, cart]\n",
            "base/cart/kustomization.yaml": b"resources: [app.yaml]\n",
            "base/cart/app.yaml": workload("cart"),
            "environments/dev/kustomization.yaml": place.remote.read("environments/dev/kustomization.yaml") + entry,
        },
        "cart is new",
    )


def _looked(place: PromotionWorld) -> tuple[str, ...]:
    place.run()
    place.now += timedelta(seconds=30)
    place.look()
    return place.waiting("test")


def _with_level(place: PromotionWorld) -> bytes:
    return place.remote.read("environments/prod/kustomization.yaml").replace(b"LEVEL=info", b"LEVEL=debug")
