"""The promoter on real git and real kustomize: promotions on proof, promotions on request, and refused ones."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.core.errors import Conflict
from gitops.core.health import Health
from gitops.core.promotion.gates import Gate
from tests.worlds.git import git
from tests.worlds.promotion import SETTINGS, PromotionWorld, image, overlay, pipeline, world


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    with world(tmp_path) as made:
        made.soak()
        yield made


def test_proven_image_moves_to_test_by_itself_and_to_prod_on_request(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.soak(4)
    assert place.runs("test") == {"order": "1.1.0", "print": "1.1.0"}
    assert place.waiting("test")[0].startswith("order 1.2.0 soaks in dev until ")
    place.soak(1)
    assert place.runs("test") == {"order": "1.2.0", "print": "1.1.0"}
    assert place.subjects(2) == ["test: order 1.2.0 from dev", "test: images of the next release"]
    assert "Lockstep-Promoted-From: dev" in place.last()
    assert "Lockstep-Cause: proven in dev for 5m" in place.last()
    place.soak()
    assert place.runs("prod")["order"] == "1.1.0"
    assert place.waiting("prod") == (
        "order 1.2.0: proven in test, waits to be asked for by the tag promote/prod/<name> (`lockstep promote prod`)",
    )
    asked = place.tag("promote/prod/friday")
    place.look()
    assert place.runs("prod")["order"] == "1.2.0"
    assert f"Lockstep-Request: {asked}" in place.last()
    assert place.waiting("prod") == ()


def test_promotion_writes_only_files_of_the_overlay(place: PromotionWorld) -> None:
    before = place.remote.head()
    place.push_image("order", 2)
    place.soak()
    changed = git(place.remote.directory, "diff", "--name-only", f"{before}..main", "--", ".", ":!environments/dev")
    assert changed.splitlines() == ["environments/test/kustomization.yaml", "environments/test/release.yaml"]
    expected = overlay("test").replace(b'"1.1.0"', b'"1.2.0"', 1)
    expected = expected.replace((image("order", 1).digest or "").encode(), (image("order", 2).digest or "").encode())
    assert place.remote.read("environments/test/kustomization.yaml") == expected


def test_base_moves_as_the_tree_that_was_proven_as_a_whole(place: PromotionWorld) -> None:
    commit = place.edit_base("order", "new")
    place.edit_base("print", "newer")
    place.run(health={"print": Health.PROGRESSING})
    place.pass_time(5)
    place.look()
    assert (place.note("test", "order"), place.note("test", "print")) == ("", "")
    place.soak()
    assert (place.note("test", "order"), place.note("test", "print")) == ("new", "newer")
    head = place.remote.head()
    assert git(place.remote.directory, "for-each-ref", "--format=%(objectname)", "refs/lockstep/base/") != ""
    assert commit != head


def test_soak_loses_time_to_degradation_and_restarts_and_starts_again_without_ledger(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.run()
    place.pass_time(3)
    place.run(health={"order": Health.DEGRADED})
    place.soak(4)
    assert place.runs("test")["order"] == "1.1.0"
    place.begin()
    place.now += timedelta(hours=1)
    place.run()
    place.look()
    assert place.runs("test")["order"] == "1.1.0"
    place.shelf.kept.clear()
    place.begin()
    place.soak(4)
    assert place.runs("test")["order"] == "1.1.0"
    place.soak(1.5)
    assert place.runs("test")["order"] == "1.2.0"


def test_soak_does_not_count_unobserved_time(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.run()
    place.observed = False
    place.pass_time(60)
    place.observed = True
    place.run()
    place.look()
    assert place.runs("test")["order"] == "1.1.0"


def test_image_that_never_ran_waits_until_a_request_skips_the_gate(place: PromotionWorld) -> None:
    place.stopped = {"order"}
    place.push_image("order", 2)
    place.soak()
    assert place.waiting("test") == ("order 1.2.0 never ran in dev: no ready pod of it was seen",)
    place.tag("promote/test/worker", "scaled to zero\n\n--skip-gate ran --reason the queue is empty")
    place.look()
    assert place.runs("test")["order"] == "1.2.0"
    assert "Lockstep-Waived: ran: the queue is empty" in place.last()


def test_proofs_that_are_settled_are_not_written_again(place: PromotionWorld) -> None:
    writes = place.shelf.writes
    place.soak(30)
    assert place.shelf.writes == writes


def test_settings_on_the_trunk_follow_by_themselves_except_in_the_last_environment(place: PromotionWorld) -> None:
    place.write({f"environments/{name}/kustomization.yaml": overlay(name, level="debug") for name in ("test", "prod")})
    place.look()
    assert (place.level("test"), place.level("prod")) == ("debug", "info")
    assert "test" in place.touched[-1], "no other queue would look at test: the head is known already"
    assert place.subjects(1) == ["test: settings of the trunk"]


@pytest.mark.parametrize(("name", "is_let_in"), [("extra", True), ("stray", False)])
def test_settings_may_add_an_object_only_if_a_variation_allows_it(
    place: PromotionWorld, name: str, *, is_let_in: bool
) -> None:
    added = overlay("test").replace(b"../../base]", b"../../base, more.yaml]")
    more = f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n".encode()
    place.write({"environments/test/kustomization.yaml": added, "environments/test/more.yaml": more})
    place.look()
    assert (name in {key.name for key in place.desired.at_head("test").keys}) is is_let_in
    assert is_let_in or f"{name}: the object is not in base, and no variation allows that" in place.waiting("test")[0]


def test_image_edited_by_hand_is_not_promoted_with_another_one(place: PromotionWorld) -> None:
    place.push_image("print", 9, "test")
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test") == {"order": "1.1.0", "print": "1.1.0"}
    assert any("print: its image was edited on the trunk without a release" in each for each in place.waiting("test"))


def test_promotion_that_would_not_render_is_not_pushed(place: PromotionWorld) -> None:
    head = place.write({"environments/test/kustomization.yaml": overlay("test") + b"patches: [{path: gone.yaml}]\n"})
    place.look()
    assert place.remote.head() == head
    assert "gone.yaml" in place.waiting("test")[0]
    assert place.runs("test") == {"order": "1.1.0", "print": "1.1.0"}


def test_promotion_that_breaks_the_contract_is_not_pushed(tmp_path: Path) -> None:
    with world(tmp_path, pipeline(variations=SETTINGS)) as place:
        place.soak()
        patch = b"patches:\n- patch: '- {op: add, path: /spec/replicas, value: 3}'\n  target: {kind: Deployment}\n"
        head = place.write({"environments/test/kustomization.yaml": overlay("test", level="debug") + patch})
        place.look()
        assert place.remote.head() == head
        assert any("/spec/replicas" in sentence for sentence in place.waiting("test"))
        place.write({"environments/test/kustomization.yaml": overlay("test", level="debug")})
        place.look()
        assert place.level("test") == "debug"


def test_promotion_is_refused_if_it_shares_a_distinct_value(tmp_path: Path) -> None:
    """The violation is test's, as in the pass that would follow: dev has the same value and does not change."""
    with world(tmp_path, pipeline(variations=SETTINGS.replace("/LEVEL}", "/LEVEL, distinct: true}"))) as place:
        place.soak()
        head = place.push_image("order", 2)
        place.soak()
        place.look()
        assert place.remote.head() == head
        assert any(
            "must be distinct (variation `levels`), but dev has the same" in each for each in place.waiting("test")
        )


def test_promotion_is_decided_again_after_a_conflict(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.run()
    place.pass_time(5)
    place.remote.write({"README.md": b"hello\n"}, "somebody was faster")
    with pytest.raises(Exception, match="moved"):
        place.promoter.promote_all()
    place.look()
    assert place.runs("test")["order"] == "1.2.0"
    assert "test" in place.touched[-1]
    assert place.remote.subjects()[2] == "somebody was faster"


def test_hold_stops_automatic_promotions_until_a_request_skips_it(place: PromotionWorld) -> None:
    hold = b"who: Li\nwhy: stocktaking\nsince: 2026-11-01T00:00:00Z\n"
    place.write({"environments/test/hold.yaml": hold})
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.1.0"
    assert any("held by Li: stocktaking" in sentence for sentence in place.waiting("test"))
    place.tag("promote/test/now", "--skip-gate hold --reason the count is done")
    place.look()
    assert place.runs("test")["order"] == "1.2.0"


class TestRequests:
    @pytest.fixture
    def ready(self, place: PromotionWorld) -> PromotionWorld:
        """Both services have a new image that test has proven."""
        for service in ("order", "print"):
            place.push_image(service, 2)
        place.soak()
        place.soak()
        return place

    def test_request_may_name_services(self, ready: PromotionWorld) -> None:
        ready.tag("promote/prod/one", "x\n\nServices: print")
        ready.look()
        assert ready.runs("prod") == {"order": "1.1.0", "print": "1.2.0"}

    def test_request_is_carried_out_once(self, ready: PromotionWorld) -> None:
        ready.tag("promote/prod/one")
        ready.look()
        head = ready.remote.head()
        ready.begin()
        ready.run()
        ready.look()
        assert ready.remote.head() == head

    def test_request_is_carried_out_once_though_a_merge_reverts_it(self, ready: PromotionWorld) -> None:
        """Git's simplified history of prod follows the parent whose files the merge took. It holds no promotion."""
        ready.tag("promote/prod/one")
        person = ready.person
        git(person, "checkout", "--quiet", "-b", "side", "origin/main")
        git(person, "commit", "--quiet", "--allow-empty", "--message", "an idea")
        ready.look()
        assert ready.runs("prod")["order"] == "1.2.0"
        git(person, "fetch", "--quiet", "origin", "main")
        git(person, "checkout", "--quiet", "-B", "main", "FETCH_HEAD")
        git(person, "merge", "--quiet", "--no-commit", "--no-ff", "side")
        git(person, "checkout", "side", "--", "environments/prod")
        git(person, "commit", "--quiet", "--all", "--message", "merge: prod as before")
        git(person, "push", "--quiet", "origin", "main")
        ready.repo.fetch()
        ready.begin()
        ready.run()
        ready.look()
        assert ready.runs("prod")["order"] == "1.1.0"
        assert ready.subjects(1) == ["merge: prod as before"]

    def test_request_promotes_the_images_proven_at_the_tagged_commit(self, ready: PromotionWorld) -> None:
        at = ready.remote.head()
        ready.push_image("order", 3)
        ready.soak()
        ready.soak()
        ready.tag("promote/prod/one", at=at)
        ready.look()
        assert ready.runs("prod") == {"order": "1.2.0", "print": "1.2.0"}

    def test_request_is_withdrawn_by_deletion_and_expires_with_age(self, place: PromotionWorld) -> None:
        place.tag("promote/prod/one")
        place.look()
        (pending,) = place.notes.pending("prod").requests
        assert (pending.name, pending.gates) == ("one", ("nothing newer to promote",))
        git(place.person, "push", "--quiet", "origin", ":refs/tags/promote/prod/one")
        place.look()
        assert place.notes.pending("prod").requests == ()
        place.tag("promote/prod/two")
        place.now += timedelta(hours=25)
        place.look()
        assert place.notes.pending("prod").requests == ()

    def test_request_shows_its_unmet_gates_beside_refused_tags(self, ready: PromotionWorld) -> None:
        git(ready.person, "tag", "promote/prod/light")
        git(ready.person, "push", "--quiet", "origin", "refs/tags/promote/prod/light")
        ready.write({"environments/prod/hold.yaml": b"who: Li\nwhy: x\nsince: 2026-11-01T00:00:00Z\n"})
        ready.tag("promote/prod/one")
        ready.look()
        assert ready.runs("prod")["order"] == "1.1.0"
        assert any("lightweight tag" in sentence for sentence in ready.waiting("prod"))
        (pending,) = ready.notes.pending("prod").requests
        assert pending.moves == ("prod: order 1.2.0, print 1.2.0",)
        assert pending.gates[0].startswith("held by Li")

    def test_refused_tags_are_cut_short_and_expire(self, ready: PromotionWorld) -> None:
        for number in range(10):
            git(ready.person, "tag", f"promote/prod/light-{number}", "HEAD")
        git(ready.person, "push", "--quiet", "origin", "--tags")
        ready.tag("promote/prdo/one")
        ready.tag("promote/prod/basket", "x\n\nServices: basket")
        ready.promoter.read_tags()
        ready.promoter.promote_all()
        first, *refused = ready.waiting("prod")
        assert first.startswith("order 1.2.0, print 1.2.0: proven in test, waits to be asked for")
        assert len(refused) == 4
        assert refused[-1] == "and 9 more"
        asked_for_by = "promotions are asked for by promote/<environment>/<name>"
        assert sum(f"promote/prdo/one: {asked_for_by}" in said for said in ready.waiting("test")) == 1
        git(ready.person, "push", "--quiet", "origin", *[f":refs/tags/promote/prod/light-{n}" for n in range(10)])
        ready.promoter.read_tags()
        ready.promoter.promote_all()
        assert ready.waiting("prod")[1:] == (
            "refused: tag promote/prod/basket: no service is called basket",
            f"refused: tag promote/prdo/one: {asked_for_by}, and lead to test, prod",
        )
        ready.now += timedelta(hours=24)
        ready.promoter.promote_all()
        assert ready.waiting("prod")[1:] == ()

    def test_approvals_are_signatures_of_other_people_for_this_release(self, tmp_path: Path) -> None:
        with world(tmp_path, pipeline(prod="when: requested, soak: 0s, approvals: {count: 1}")) as place:
            _make_keys(place, "li", "wang")
            place.soak()
            place.push_image("order", 2)
            place.soak()
            place.soak()
            asked = place.tag("promote/prod/one", by="li")
            place.look()
            (pending,) = place.notes.pending("prod").requests
            assert pending.gates == ("0 of 1 approvals; `lockstep approve` gives one",)
            text = f"yes\n\nRequest: {asked}\nRelease: {pending.release}\n"
            place.tag("approve/prod/one/li", text, by="li")
            place.tag("approve/prod/one/wang", text.replace(pending.release, "0" * 64), by="wang")
            place.look()
            assert place.runs("prod")["order"] == "1.1.0"
            place.tag("approve/prod/one/wang", text, by="wang")
            place.look()
            assert place.runs("prod")["order"] == "1.2.0"
            assert "Lockstep-Approved-By: wang@example" in place.last()

    def test_approvals_do_not_count_after_the_request_tag_moved(self, tmp_path: Path) -> None:
        with world(tmp_path, pipeline(prod="when: requested, soak: 0s, approvals: {count: 1}")) as place:
            _make_keys(place, "li", "wang")
            place.soak()
            place.push_image("order", 2)
            place.soak()
            place.soak()
            asked = place.tag("promote/prod/one", by="li")
            place.look()
            (pending,) = place.notes.pending("prod").requests
            place.tag("promote/prod/one", "moved", by="li")
            place.tag("approve/prod/one/wang", f"Request: {asked}\nRelease: {pending.release}\n", by="wang")
            place.look()
            assert place.runs("prod")["order"] == "1.1.0"

    def test_approvals_cannot_be_skipped_by_the_requester(self, tmp_path: Path) -> None:
        """Unless the controller's own configuration lists this gate in `skippable`."""
        with world(tmp_path, pipeline(prod="when: requested, soak: 0s, approvals: {count: 1}")) as place:
            _make_keys(place, "li")
            place.soak()
            place.push_image("order", 2)
            place.soak()
            place.soak()
            place.tag("promote/prod/one", "--skip-gate approvals --reason urgent", by="li")
            place.look()
            assert place.runs("prod")["order"] == "1.1.0"
            assert any("the gate approvals cannot be skipped: `skippable`" in each for each in place.waiting("prod"))
            place.skippable = frozenset(Gate)
            place.begin()
            place.run()
            place.look()
            assert place.runs("prod")["order"] == "1.2.0"
            assert "Lockstep-Waived: approvals: urgent" in place.last()

    def test_approvals_cannot_be_given_for_or_skipped_by_an_unsigned_request(self, tmp_path: Path) -> None:
        with world(tmp_path, pipeline(prod="when: requested, soak: 0s, approvals: {count: 1}")) as place:
            place.soak()
            place.push_image("order", 2)
            place.soak()
            place.soak()
            place.skippable = frozenset(Gate)
            place.begin()
            place.run()
            place.tag("promote/prod/one", "--skip-gate approvals --reason me")
            place.look()
            assert place.runs("prod")["order"] == "1.1.0"
            assert "must be signed" in place.waiting("prod")[-1]


def test_hold_with_an_overlong_reason_is_refused_in_a_short_status(place: PromotionWorld) -> None:
    held = f"who: Li\nwhy: '{'x y ' * 200_000}'\nsince: '2026-01-01T00:00:00+00:00'\n"
    place.write({"environments/test/hold.yaml": held.encode()})
    place.push_image("order", 2)
    place.run(environments=("dev",))
    place.pass_time(5)
    place.promoter.promote_all()
    assert place.waiting("test") == (
        "nothing can be promoted: environments/test/hold.yaml:2: `why` must have at most 1000 characters",
    )


def test_proof_recorder_stops_recording_an_overlay_that_is_gone(place: PromotionWorld) -> None:
    known = place.shelf.kept["test"]
    place.recorder.keep_only(["dev"])
    place.pass_time(5)
    assert place.shelf.kept["test"] == known
    assert place.shelf.kept["dev"].at >= known.at


class TestLeaderTerms:
    """Another replica leads for a while, sees the new image fail in dev, and records that."""

    @pytest.fixture
    def proven(self, place: PromotionWorld) -> PromotionWorld:
        place.push_image("order", 2)
        place.run()
        place.pass_time(5)
        return place

    @staticmethod
    def _led_by_another(place: PromotionWorld) -> None:
        place.recorder.forget()
        place.now += timedelta(minutes=1)
        known = place.shelf.kept["dev"]
        records = tuple(replace(each, observed=0.0, healthy_since=None) for each in known.records)
        place.shelf.kept["dev"] = replace(known, at=place.now, records=records, steady=frozenset())

    def test_leader_reads_proofs_again_after_another_term(self, proven: PromotionWorld) -> None:
        self._led_by_another(proven)
        written = proven.shelf.kept["dev"]
        assert proven.promoter.promote_all() is None, "this replica leads again, but has not read the ledger yet"
        proven.recorder.observe_again()
        proven.run()
        assert proven.recorder.proofs("dev") is None
        assert proven.shelf.kept["dev"] == written
        proven.recorder.recall()
        proven.look()
        assert proven.runs("test")["order"] == "1.1.0"
        proven.soak()
        assert proven.runs("test")["order"] == "1.2.0"

    def test_leader_pushes_nothing_once_its_term_has_ended(self, proven: PromotionWorld) -> None:
        def led_by_another() -> None:
            self._led_by_another(proven)
            proven.recorder.recall()

        proven.meanwhile = led_by_another
        before = proven.remote.head()
        with pytest.raises(Conflict, match="nothing was promoted"):
            proven.promoter.promote_all()
        assert proven.remote.head() == before
        assert proven.promoter.promote_all() == 30.0
        assert proven.remote.head() == before


def _make_keys(place: PromotionWorld, *names: str) -> None:
    lines = []
    for name in names:
        key = place.directory / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        lines.append(f"{name}@example {key.with_name(name + '.pub').read_text()}")
    place.signers.write_text("".join(lines))
