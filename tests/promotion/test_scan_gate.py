"""The scan gate: promotions wait for a scan. Real git, real kustomize, and a registry whose answers a test sets."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.core.errors import Rejected, Unavailable
from gitops.core.image_updates.events import ImageScanned
from gitops.core.image_updates.scans import ASKED_EVERY, COUNTS_FOR
from gitops.core.images.registry_facts import Scan, ScanSeverity, ScanState
from tests.worlds.git import git
from tests.worlds.promotion import HOST, PromotionWorld, image, pipeline, world
from tests.worlds.registries import REVISION, done

ORDER = image("order", 2)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[PromotionWorld]:
    """Test admits only images whose findings are Low at most. The registry has not scanned any image."""
    gated = pipeline(test="when: proven, soak: 5m, scan: {max: Low}", prod="when: requested, scan: {max: None}")
    with world(tmp_path, gated) as made:
        made.asking.serve(HOST)
        made.soak()
        yield made


def test_scan_gate_passes_a_low_rating_and_the_commit_records_it(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.LOW)
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.2.0"
    assert "Lockstep-Scan: order=Low\n" in place.last()
    assert place.waiting("test") == ()


@pytest.mark.parametrize(
    ("scan", "said"),
    [
        (Scan(ScanState.ABSENT), f"order 1.2.0: {HOST} has not scanned order 1.2.0"),
        (Scan(ScanState.RUNNING), f"order 1.2.0: {HOST} is still scanning order 1.2.0"),
        (Scan(ScanState.FAILED), "order 1.2.0: the scan of order 1.2.0"),
        (done(None), "order 1.2.0: the scan of order 1.2.0"),
        (done(ScanSeverity.MEDIUM), "order 1.2.0: the scan of order 1.2.0"),
        (Unavailable("Timeout", "no answer"), f"order 1.2.0: {HOST} cannot be asked for the scan of order 1.2.0"),
        (Rejected("Unsupported", "no scans here"), f"order 1.2.0: {HOST} is a registry without scans"),
        (Rejected("Unauthorized", "who?"), f"order 1.2.0: {HOST} does not show the scan of order 1.2.0"),
    ],
)
def test_scan_gate_stops_every_other_answer_and_says_why(
    place: PromotionWorld, scan: Scan | Rejected | Unavailable, said: str
) -> None:
    place.asking.registry.scans[ORDER.digest or ""] = scan
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.1.0"
    (sentence,) = place.waiting("test")
    assert sentence.startswith(said)
    assert ORDER.short_digest in sentence


def test_scan_gate_without_a_registry_says_what_to_add_to_lockstep_yaml(place: PromotionWorld) -> None:
    place.asking.hosts.clear()
    place.push_image("order", 2)
    place.soak()
    (sentence,) = place.waiting("test")
    assert f"lockstep.yaml knows no registry {HOST}; add it under `registries` there" in sentence
    assert place.asking.registry.asked == []


def test_scan_gate_does_not_wait_for_the_answer_of_its_first_query(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.NONE)
    place.push_image("order", 2)
    place.run()
    place.pass_time(5)
    assert place.promoter.promote_all() != 0.0
    assert place.waiting("test")[0].startswith(f"order 1.2.0: {HOST} is being asked for the scan of order 1.2.0")
    assert ("scan", ORDER.name, ORDER.digest) not in place.asking.registry.asked
    assert place.asking.work()
    assert place.promoter.promote_all() == 0.0
    assert place.runs("test")["order"] == "1.2.0"


def test_scan_gate_asks_again_only_after_its_interval(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.soak()
    asked = place.asking.registry.asked.count(("scan", ORDER.name, ORDER.digest))
    for _ in range(10):
        place.look()
    assert place.asking.registry.asked.count(("scan", ORDER.name, ORDER.digest)) == asked == 1
    place.now += ASKED_EVERY
    place.look()
    assert place.asking.registry.asked.count(("scan", ORDER.name, ORDER.digest)) == 2


def test_scan_gate_finds_a_scan_without_an_event_by_asking_again(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.soak()
    place.asking.registry.rated(ORDER, ScanSeverity.NEGLIGIBLE)
    place.look()
    assert place.runs("test")["order"] == "1.1.0"
    place.now += ASKED_EVERY
    place.look()
    assert place.runs("test")["order"] == "1.2.0"


def test_scan_gate_counts_an_announced_scan_at_once(place: PromotionWorld) -> None:
    place.push_image("order", 2)
    place.soak()
    place.asking.registry.rated(ORDER, ScanSeverity.NONE)
    place.asking.scans.announced(ImageScanned(ORDER.name, ORDER.digest or ""))
    place.look()
    assert place.runs("test")["order"] == "1.2.0"


def test_scan_gate_does_not_pass_on_an_expired_answer(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.LOW)
    place.asking.scans.of(ORDER)
    place.asking.work()
    place.asking.registry.scans[ORDER.digest or ""] = Unavailable("Timeout", "no answer")
    place.now += COUNTS_FOR + timedelta(seconds=1)
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.1.0"
    assert "cannot be asked for the scan" in place.waiting("test")[0]


def test_scan_gate_keeps_all_images_of_a_promotion_together(place: PromotionWorld) -> None:
    """Both images were proven together, so they are promoted together."""
    place.asking.registry.rated(ORDER, ScanSeverity.NONE)
    place.push_image("order", 2)
    place.push_image("print", 2)
    place.soak()
    assert place.runs("test") == {"order": "1.1.0", "print": "1.1.0"}
    (sentence,) = place.waiting("test")
    assert "has not scanned print 1.2.0" in sentence
    place.asking.registry.rated(image("print", 2), ScanSeverity.LOW)
    place.now += ASKED_EVERY
    place.look()
    assert place.runs("test") == {"order": "1.2.0", "print": "1.2.0"}
    assert "Lockstep-Scan: print=Low order=None\n" in place.last()


def test_scan_gate_does_not_apply_to_base_alone(place: PromotionWorld) -> None:
    place.edit_base("order", "new")
    place.soak()
    assert place.note("test", "order") == "new"
    assert "Lockstep-Scan" not in place.last()


def test_scan_gate_applies_to_requests(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.LOW)
    place.push_image("order", 2)
    place.soak()
    place.soak()
    place.tag("promote/prod/friday")
    place.look()
    assert place.runs("prod")["order"] == "1.1.0"
    ((request,),) = [place.notes.pending("prod").requests]
    assert request.gates == (
        (
            f"the scan of order 1.2.0 ({ORDER.short_digest}) found Low, and scan.max allows none: push an image without"
            f" that. It is asked again when {HOST} announces a scan, and every 3 min"
        ),
    )
    place.asking.registry.rated(ORDER, ScanSeverity.NONE)
    place.now += ASKED_EVERY
    place.look()
    assert place.runs("prod")["order"] == "1.2.0"
    assert "Lockstep-Scan: order=None\n" in place.last()


def test_scan_gate_that_is_skipped_still_records_the_known_rating(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.CRITICAL)
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.1.0"
    place.tag("promote/test/now", "out\n\n--skip-gate scan --reason 'a false alarm'")
    place.look()
    assert place.runs("test")["order"] == "1.2.0"
    assert "Lockstep-Waived: scan: a false alarm\n" in place.last()
    assert "Lockstep-Scan: order=Critical\n" in place.last()


def test_scan_gate_that_is_not_declared_asks_no_registry(tmp_path: Path) -> None:
    with world(tmp_path) as place:
        place.asking.serve(HOST)
        place.soak()
        place.push_image("order", 2)
        place.soak()
        assert place.runs("test")["order"] == "1.2.0"
        assert "scan" not in {question for question, _, _ in place.asking.registry.asked}


# -- the build origin of images


def test_build_origin_of_each_image_stands_in_the_commit(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.NONE)
    place.asking.registry.built_from(ORDER)
    place.push_image("order", 2)
    place.soak()
    assert f"Lockstep-Source-Revision: order={REVISION}\n" in place.last()
    trailers = git(place.remote.directory, "log", "-1", "--format=%(trailers:only,key=Lockstep-Scan)", "main")
    assert trailers.strip() == "Lockstep-Scan: order=None"


@pytest.mark.parametrize("revision", ["main", f"{REVISION}\nLockstep-Scan: order=None", "x" * 40])
def test_build_origin_that_is_no_commit_id_is_not_written(place: PromotionWorld, revision: str) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.LOW)
    place.asking.registry.built_from(ORDER, revision)
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.2.0"
    assert "Lockstep-Source-Revision" not in place.last()
    assert place.last().count("Lockstep-Scan") == 1


def test_build_origin_that_is_unavailable_does_not_delay_a_promotion(place: PromotionWorld) -> None:
    place.asking.registry.rated(ORDER, ScanSeverity.NONE)
    place.asking.registry.labels[ORDER.digest or ""] = Unavailable("Timeout", "no answer")
    place.push_image("order", 2)
    place.soak()
    assert place.runs("test")["order"] == "1.2.0"
    assert "Lockstep-Source-Revision" not in place.last()
