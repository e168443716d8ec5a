"""Going back, holding and resuming as edits of files, by literals."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import Admission, Evidence, Hold, Rejection, Release, parse_hold, parse_release
from gitops.core.config_repo.tree import Blob
from gitops.core.errors import Rejected
from gitops.core.promotion import rollback
from gitops.core.promotion.rollback import OverlayState
from tests.worlds.promotion_values import NEW, NEWEST, OLD, image

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
PROD = Overlay("prod", "prod", "environments/prod", "shop-prod", after="test")
DEV = Overlay("dev", "dev", "environments/dev", "shop-dev")
TEXTS = {"old": b"old", "new": b"new"}


def tree(**files: str) -> Mapping[str, Blob]:
    return {f"environments/prod/{name}": Blob("100644", text) for name, text in files.items()}


def release(base: str, number: int, **fields: object) -> Release:
    evidence = Evidence(digest=image("order", number).digest or "", closure="a", since=NOW)
    admission = Admission(source="test", base=base, services={"order": evidence})
    return Release.model_validate({"base": base, "overlay": base, "admission": admission, **fields})


def state(commit: str, found: Release | None, number: int, files: Mapping[str, Blob]) -> OverlayState:
    return OverlayState(commit, files, found, {"order": image("order", number)})


THEN = state(OLD, release(OLD, 1), 1, tree(settings="old", gone="old"))
PRESENT = state(NEW, release(NEW, 2), 2, tree(settings="new", added="new", **{"hold.yaml": "new"}))


def test_the_directory_is_restored_except_for_its_hold() -> None:
    edits = rollback.rollback(PROD, PRESENT, THEN, TEXTS.__getitem__)
    assert edits["environments/prod/settings"] == b"old"
    assert edits["environments/prod/gone"] == b"old"
    assert edits["environments/prod/added"] is None
    assert "environments/prod/hold.yaml" not in edits


def test_the_release_of_then_comes_back_with_its_evidence_and_notes_what_is_abandoned() -> None:
    edits = rollback.rollback(PROD, PRESENT, THEN, TEXTS.__getitem__)
    found = parse_release(edits["environments/prod/release.yaml"] or b"", "release.yaml")
    assert (found.base, found.overlay, found.waived) == (OLD, OLD, {"rollback": f"to {OLD[:12]}"})
    assert found.admission is not None
    assert found.admission.services["order"].since == NOW
    assert [(each.service, each.digest) for each in found.rejected] == [("order", image("order", 2).digest)]


def test_an_image_that_was_abandoned_before_stays_so_unless_it_comes_back() -> None:
    three = Rejection(service="order", digest=image("order", 3).digest or "", closure="a")
    one = Rejection(service="order", digest=image("order", 1).digest or "", closure="a")
    now = state(NEW, release(NEW, 2, rejected=(three, one)), 2, PRESENT.tree)
    edits = rollback.rollback(PROD, now, THEN, TEXTS.__getitem__)
    found = parse_release(edits["environments/prod/release.yaml"] or b"", "release.yaml")
    assert [each.digest for each in found.rejected] == [image("order", 3).digest, image("order", 2).digest]


def test_a_release_without_evidence_needs_a_waiver_by_name() -> None:
    unproven = state(OLD, Release(base=OLD, overlay=OLD), 1, THEN.tree)
    with pytest.raises(Rejected, match="test has not proven base 1111") as refused:
        rollback.rollback(PROD, PRESENT, unproven, TEXTS.__getitem__)
    assert refused.value.reason == "NeverProven"
    waived = {OLD: "we ran it for a year", image("order", 1).digest or "": "we ran it for a year"}
    edits = rollback.rollback(PROD, PRESENT, unproven, TEXTS.__getitem__, waived)
    found = parse_release(edits["environments/prod/release.yaml"] or b"", "release.yaml")
    assert found.base_waiver == "we ran it for a year"


def test_a_directory_that_did_not_exist_then_cannot_be_restored() -> None:
    with pytest.raises(Rejected, match="did not exist at that commit"):
        rollback.rollback(PROD, PRESENT, state(OLD, release(OLD, 1), 1, {}), TEXTS.__getitem__)


def test_the_message_names_the_cause_of_an_automatic_rollback_only() -> None:
    text = rollback.message("prod: roll back", "prod", "it hangs\nbadly", "degraded 3 min after")
    assert text == (
        "prod: roll back\n\nit hangs badly\n\nLockstep-Environment: prod\nLockstep-Cause: degraded 3 min after\n"
    )
    assert "Lockstep-Cause" not in rollback.message("prod: roll back", "prod", "it hangs")


def test_a_hold_is_a_file_of_the_directory() -> None:
    ((path, text),) = rollback.hold_edit("environments/prod", Hold(who="Li", why="stocktaking", since=NOW)).items()
    assert path == "environments/prod/hold.yaml"
    assert parse_hold(text or b"", path).who == "Li"


class TestResume:
    def test_all_holds_of_the_environment_go(self) -> None:
        assert rollback.resume("prod", [PROD], {"prod": PRESENT}) == {"environments/prod/hold.yaml": None}

    def test_without_a_hold_there_is_nothing_to_resume(self) -> None:
        with pytest.raises(Rejected, match="prod is not held"):
            rollback.resume("prod", [PROD], {"prod": THEN})

    def test_the_first_environment_follows_the_trunk_again_and_keeps_what_it_abandoned(self) -> None:
        held = {"environments/dev/hold.yaml": Blob("100644", "new")}
        gone = Rejection(service="order", digest=image("order", 2).digest or "", closure="a")
        edits = rollback.resume("dev", [DEV], {"dev": state(NEW, release(NEW, 2, rejected=(gone,)), 2, held)})
        found = parse_release(edits["environments/dev/release.yaml"] or b"", "release.yaml")
        assert (found.base, found.rejected) == (None, (gone,))
        plain = rollback.resume("dev", [DEV], {"dev": state(NEW, release(NEW, 2), 2, held)})
        assert plain["environments/dev/release.yaml"] is None


@pytest.mark.parametrize(
    ("now", "past", "commit"),
    [
        (None, [(NEW, None), (OLD, None)], OLD),
        (None, [(NEW, None)], None),
        (release(NEW, 2), [(NEWEST, release(NEW, 2)), (OLD, release(OLD, 1))], OLD),
        (release(NEW, 2), [(NEWEST, release(NEW, 2)), (NEW, release(NEW, 2)), (OLD, release(OLD, 1))], OLD),
        (release(OLD, 1), [(NEWEST, release(OLD, 1)), (NEW, release(NEW, 2)), (OLD, release(OLD, 1))], None),
        (release(NEW, 2), [(NEWEST, release(NEW, 2)), (OLD, None)], None),
    ],
    ids=["unlocked", "nothing before", "before", "written twice", "never forward again", "before its first release"],
)
def test_previous_is_the_newest_other_release_that_is_older(
    now: Release | None, past: list[tuple[str, Release | None]], commit: str | None
) -> None:
    assert rollback.previous(now, past) == commit
