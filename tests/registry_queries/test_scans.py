"""Queries for scans and labels: made in the background, once, bounded, and never answered by a stale entry."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.errors import Rejected, Unavailable
from gitops.core.image_updates import scans
from gitops.core.image_updates.build_origin import BuildOrigin
from gitops.core.image_updates.events import ImageScanned
from gitops.core.image_updates.scans import ASKED_EVERY, COUNTS_FOR, ScanAnswer, ScanUnknown
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import Scan, ScanSeverity, ScanState
from gitops.registry_queries import query_cache
from tests.worlds.registries import REVISION, Asking, done

APP = Image("harbor.example/shop/app", "1.4.2", f"sha256:{'a' * 64}")


class Place(Asking):
    """A registry, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, tzinfo=UTC)
        super().__init__(lambda: self.now, ["harbor.example"])

    def answer(self) -> ScanAnswer:
        """Ask for the scan, let the queue work, and return the answer then."""
        self.scans.of(APP)
        self.work()
        return self.scans.of(APP)

    def questions(self) -> int:
        return len(self.registry.asked)


def once(happens: Callable[[], None]) -> Callable[[], None]:
    left = [happens]
    return lambda: left.pop()() if left else None


@pytest.fixture
def place() -> Place:
    return Place()


def test_scan_query_does_not_wait_and_is_made_once(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)
    assert [place.scans.of(APP) for _ in range(3)] == [ScanAnswer()] * 3
    assert place.questions() == 0
    place.work()
    assert (place.scans.of(APP).scan, place.questions(), place.answers) == (done(ScanSeverity.LOW), 1, 1)
    assert place.registry.asked == [("scan", APP.name, APP.digest)]
    assert not place.work()


@pytest.mark.parametrize(
    ("answer", "unknown", "why"),
    [
        (Unavailable("Timeout", "no answer within 5 s"), ScanUnknown.UNREACHABLE, "no answer within 5 s"),
        (
            Rejected("Unsupported", "an OCI registry has no scans"),
            ScanUnknown.UNSUPPORTED,
            "an OCI registry has no scans",
        ),
        (Rejected("Unauthorized", "no such account"), ScanUnknown.REFUSED, "no such account"),
    ],
)
def test_scan_query_without_an_answer_says_why(
    place: Place, answer: Rejected | Unavailable, unknown: ScanUnknown, why: str
) -> None:
    place.registry.scans[APP.digest or ""] = answer
    answer = place.answer()
    assert (answer.scan, answer.unknown, answer.why) == (None, unknown, why)
    assert answer.again_at is not None


def test_scan_query_is_not_made_for_unknown_registries_and_unpinned_images(place: Place) -> None:
    assert place.scans.of(Image("elsewhere.example/app", "1", APP.digest)).unknown is ScanUnknown.NO_REGISTRY
    assert place.scans.of(Image(APP.name, "1.4.2")).unknown is ScanUnknown.UNPINNED
    assert place.origins.of(Image("elsewhere.example/app", "1", APP.digest)) is None
    assert not place.work()


def test_scan_answer_is_refreshed_while_it_is_used_and_expires_after_minutes(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)
    place.answer()
    place.now += ASKED_EVERY
    place.registry.rated(APP, ScanSeverity.CRITICAL)
    assert place.scans.of(APP).scan == done(ScanSeverity.LOW)
    place.work()
    assert place.scans.of(APP).scan == done(ScanSeverity.CRITICAL)
    place.now += COUNTS_FOR + timedelta(seconds=1)
    answer = place.scans.of(APP)
    assert (answer.scan, answer.unknown) == (None, ScanUnknown.UNASKED)
    place.work()
    assert (place.scans.of(APP).scan, place.questions()) == (done(ScanSeverity.CRITICAL), 3)


def test_scan_answer_does_not_count_longer_if_the_clock_is_set_back(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)
    place.answer()
    place.now -= timedelta(hours=1)
    assert place.scans.of(APP).scan is None
    assert place.work()
    assert place.scans.of(APP).scan == done(ScanSeverity.LOW)


def test_scan_query_is_not_repeated_without_a_caller(place: Place) -> None:
    place.answer()
    place.now += timedelta(hours=1)
    assert not place.work()
    assert place.questions() == 1


def test_scan_event_refreshes_the_answer_under_any_name_of_the_registry(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)
    place.answer()
    place.registry.rated(APP, ScanSeverity.HIGH)
    place.scans.announced(ImageScanned("192.0.2.7:30002/shop/app", APP.digest or ""))
    assert place.scans.of(APP) == ScanAnswer()
    assert place.answer().scan == done(ScanSeverity.HIGH)
    place.scans.announced(ImageScanned(APP.name, f"sha256:{'b' * 64}"))
    assert place.scans.of(APP).scan == done(ScanSeverity.HIGH)


def test_scan_event_discards_an_answer_under_way(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)

    def rescanned() -> None:
        place.registry.meanwhile = lambda: None
        place.registry.rated(APP, ScanSeverity.CRITICAL)
        place.scans.announced(ImageScanned(APP.name, APP.digest or ""))

    place.registry.meanwhile = rescanned
    assert place.answer().scan == done(ScanSeverity.CRITICAL)
    assert place.questions() == 2


def test_scan_answers_are_outdated_by_news_of_another_replica(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)
    assert place.answer().scan == done(ScanSeverity.LOW)
    place.registry.rated(APP, ScanSeverity.CRITICAL)
    place.scans.outdate()
    assert place.scans.of(APP) == ScanAnswer()

    def scanned_again() -> None:
        place.registry.rated(APP, ScanSeverity.HIGH)
        place.scans.outdate()

    place.registry.meanwhile = once(scanned_again)
    place.work()
    assert place.scans.of(APP).scan == done(ScanSeverity.HIGH)


def test_scan_query_of_a_registry_that_is_down_is_not_hurried_by_news(place: Place) -> None:
    place.registry.scans[APP.digest or ""] = Unavailable("Timeout", "no answer")
    assert place.answer().unknown is ScanUnknown.UNREACHABLE
    place.scans.outdate()
    assert place.answer().unknown is ScanUnknown.UNREACHABLE
    assert place.questions() == 1


def test_scan_query_that_a_bug_ended_can_be_made_again(place: Place) -> None:
    place.registry.rated(APP, ScanSeverity.LOW)
    place.scans.of(APP)

    def fail() -> None:
        raise OverflowError

    place.registry.meanwhile = fail
    with pytest.raises(OverflowError):
        place.work()
    place.registry.meanwhile = lambda: None
    assert place.answer().scan == done(ScanSeverity.LOW)


def test_scan_query_of_a_registry_that_is_down_backs_off(place: Place) -> None:
    place.registry.scans[APP.digest or ""] = Unavailable("Timeout", "no answer")
    asked_at = []
    for _ in range(3600):
        place.now += timedelta(seconds=1)
        place.scans.of(APP)
        asked_at += [place.now] if place.work() else []
    pauses = [(after - before).total_seconds() for before, after in itertools.pairwise(asked_at)]
    assert pauses[:3] == [10, 20, 40]
    assert max(pauses) == query_cache.LONGEST_PAUSE.total_seconds()
    place.registry.rated(APP, ScanSeverity.NONE)
    place.now += query_cache.LONGEST_PAUSE
    assert place.answer().scan == done(ScanSeverity.NONE)


def test_scan_query_respects_retry_after(place: Place) -> None:
    place.registry.scans[APP.digest or ""] = Unavailable("TooManyRequests", "later", retry_after=120)
    answer = place.answer()
    assert answer.again_at == place.now + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("first", "seconds"),
    [
        (Unavailable("TooManyRequests", "later", retry_after=120), 240),
        (Rejected("Unauthorized", "no such account"), 360),
    ],
)
def test_scan_query_doubles_the_pause_that_the_registry_caused(
    place: Place, first: Rejected | Unavailable, seconds: int
) -> None:
    place.registry.scans[APP.digest or ""] = first
    place.now = place.answer().again_at or place.now
    place.registry.scans[APP.digest or ""] = Unavailable("Timeout", "no answer")
    assert place.answer().again_at == place.now + timedelta(seconds=seconds)


def test_scan_answer_wakes_the_promoter_only_if_it_changed(place: Place) -> None:
    place.answer()
    for scan, answers in (
        (Scan(ScanState.ABSENT), 1),
        (Scan(ScanState.RUNNING), 2),
        (Unavailable("Timeout", "no answer"), 3),
        (Unavailable("Timeout", "still no answer"), 3),
        (done(ScanSeverity.LOW), 4),
    ):
        place.registry.scans[APP.digest or ""] = scan
        place.now += timedelta(minutes=30)
        place.answer()
        assert place.answers == answers


def test_scan_queries_that_wait_are_bounded(place: Place) -> None:
    many = [Image(APP.name, None, f"sha256:{number:064x}") for number in range(query_cache.MOST_WAITING + 5)]
    for image in many:
        place.scans.of(image)
    place.work()
    assert place.questions() == query_cache.MOST_WAITING
    place.scans.of(many[-1])
    place.work()
    assert place.questions() == query_cache.MOST_WAITING + 1


def test_scan_answers_that_are_kept_are_bounded(place: Place) -> None:
    for number in range(2_001):
        place.scans.of(Image(APP.name, None, f"sha256:{number:064x}"))
        place.work()
    assert place.scans.of(Image(APP.name, None, f"sha256:{2_000:064x}")).scan == Scan(ScanState.ABSENT)
    assert place.scans.of(Image(APP.name, None, f"sha256:{0:064x}")) == ScanAnswer()


ANSWERS = st.one_of(
    st.builds(done, st.sampled_from(ScanSeverity)),
    st.builds(Scan, st.sampled_from(ScanState), st.none() | st.sampled_from(ScanSeverity)),
    st.just(Unavailable("Timeout", "no answer")),
    st.sampled_from([Rejected("Unsupported", "none here"), Rejected("Unauthorized", "who?")]),
)
STEPS = st.one_of(
    st.tuples(st.just("the registry has"), ANSWERS),
    st.tuples(st.just("time passes"), st.integers(-600, 900)),
    st.tuples(st.just("it is announced"), st.none()),
    st.tuples(st.just("somebody looks"), st.none()),
    st.tuples(st.just("the queue works"), st.none()),
)


@given(steps=st.lists(STEPS, max_size=30), limit=st.sampled_from(ScanSeverity))
def test_scan_gate_passes_only_with_a_good_and_fresh_answer(
    steps: list[tuple[str, object]], limit: ScanSeverity
) -> None:
    """An answer passes the gate if the registry gave it within `COUNTS_FOR`, the scan is done, its rating is within the
    limit, and no scan was announced since.
    """
    place = Place()
    given_at, given_answer = None, None

    def answered() -> None:
        nonlocal given_at, given_answer
        given_at, given_answer = place.now, place.registry.scans.get(APP.digest or "", Scan(ScanState.ABSENT))

    place.registry.meanwhile = answered
    place.registry.rated(APP, ScanSeverity.NONE)
    place.answer()
    for step, value in steps:
        if step == "the registry has" and isinstance(value, (Scan, Rejected, Unavailable)):
            place.registry.scans[APP.digest or ""] = value
        elif step == "time passes" and isinstance(value, int):
            place.now += timedelta(seconds=value)
        elif step == "it is announced":
            place.scans.announced(ImageScanned(APP.name, APP.digest or ""))
            given_at = given_answer = None
        elif step == "the queue works":
            place.work()
        if scans.passes(APP, place.scans.of(APP), limit):
            assert isinstance(given_answer, Scan)
            assert given_answer.state is ScanState.DONE
            assert given_answer.severity is not None
            assert given_answer.severity <= limit
            assert given_at is not None
            assert abs(place.now - given_at) <= COUNTS_FOR


def test_labels_are_queried_once(place: Place) -> None:
    place.registry.built_from(APP, source="https://git.example/team/app")
    assert (place.origins.of(APP), place.origins.revision(APP)) == (None, "")
    place.work()
    assert place.origins.of(APP) == BuildOrigin(REVISION, "https://git.example/team/app")
    place.now += timedelta(days=400)
    assert place.origins.revision(APP) == REVISION
    assert not place.work()


def test_labels_that_could_not_be_read_are_queried_again_later(place: Place) -> None:
    place.registry.labels[APP.digest or ""] = Unavailable("Timeout", "no answer")
    place.origins.foresee([APP])
    place.work()
    place.registry.built_from(APP)
    assert (place.origins.revision(APP), place.work()) == ("", False)
    place.now += query_cache.FIRST_PAUSE
    assert (place.origins.revision(APP), place.work()) == ("", True)
    assert place.origins.revision(APP) == REVISION
