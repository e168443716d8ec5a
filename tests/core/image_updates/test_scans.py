"""Which scans let an image pass, and what is said of those that do not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.image_updates import scans
from gitops.core.image_updates.scans import ScanAnswer, ScanUnknown
from gitops.core.images.reference import Image
from gitops.core.images.registry_facts import Scan, ScanSeverity, ScanState
from gitops.core.promotion import gates
from gitops.core.promotion.gates import Gate, GateFacts

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DIGEST = f"sha256:{'ab' * 32}"
PRINT = Image("harbor.example/shop/print-service", "1.4.2", DIGEST)
WORDS = ("None", "Negligible", "Low", "Medium", "High", "Critical")


def promote(limit: str = "High") -> PromotePolicy:
    return PromotePolicy.model_validate_json(f'{{"when": "proven", "scan": {{"max": "{limit}"}}}}')


def shut(told: ScanAnswer, limit: str = "High", image: Image = PRINT) -> list[str]:
    facts = GateFacts(moved={"print-service": image}, scans={"print-service": told})
    return [gate.message for gate in gates.shut(promote(limit), NOW, facts)]


def done(severity: ScanSeverity | None) -> ScanAnswer:
    return ScanAnswer(Scan(ScanState.DONE, severity))


AGAIN = "It is asked again when harbor.example announces a scan, and every 3 min"
WHAT = "print-service 1.4.2 (abababababab)"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            ScanAnswer(Scan(ScanState.ABSENT)),
            (
                f"harbor.example has not scanned {WHAT} for vulnerabilities yet: start a scan there (an SBOM alone is "
                f"none). {AGAIN}"
            ),
        ),
        (ScanAnswer(Scan(ScanState.RUNNING)), f"harbor.example is still scanning {WHAT}. {AGAIN}"),
        (
            ScanAnswer(Scan(ScanState.FAILED)),
            (
                f"the scan of {WHAT} failed at harbor.example, was stopped, or left out an image of its index: start "
                f"it again there. {AGAIN}"
            ),
        ),
        (
            done(None),
            (
                f"the scan of {WHAT} at harbor.example has findings that are rated Unknown, which is no pass whatever "
                "the others are rated: scan it again when the scanner knows more, or skip this gate by name. "
                f"{AGAIN}"
            ),
        ),
        (
            done(ScanSeverity.CRITICAL),
            f"the scan of {WHAT} found Critical, and scan.max allows High at most: push an image without that. {AGAIN}",
        ),
        (ScanAnswer(), f"harbor.example is being asked for the scan of {WHAT}"),
        (
            ScanAnswer(unknown=ScanUnknown.NO_REGISTRY),
            (
                f"the scan of {WHAT} is unknown: lockstep.yaml knows no registry harbor.example; add it "
                "under `registries` there, with an account that may read scans"
            ),
        ),
        (
            ScanAnswer(unknown=ScanUnknown.UNREACHABLE, why="timed out"),
            f"harbor.example cannot be asked for the scan of {WHAT} now: timed out. It is asked again by itself",
        ),
        (
            ScanAnswer(unknown=ScanUnknown.UNSUPPORTED),
            (
                f"harbor.example is a registry without scans, so the scan of {WHAT} stays unknown; take `scan` out "
                "of pipeline.yaml, or skip this gate by name"
            ),
        ),
        (
            ScanAnswer(unknown=ScanUnknown.REFUSED, why="Unauthorized: no such account"),
            f"harbor.example does not show the scan of {WHAT}: Unauthorized: no such account. {AGAIN}",
        ),
    ],
)
def test_each_reason_has_its_own_sentence_that_says_what_would_open_the_gate(told: ScanAnswer, sentence: str) -> None:
    assert shut(told) == [sentence]


def test_an_image_without_a_digest_cannot_have_been_scanned() -> None:
    loose = Image(PRINT.name, PRINT.tag)
    assert shut(done(ScanSeverity.NONE), image=loose) == [
        "print-service 1.4.2 is not pinned by a digest, so that no scan can be known of it"
    ]


@pytest.mark.parametrize("limit", WORDS)
@pytest.mark.parametrize("found", list(ScanSeverity))
def test_what_is_at_most_the_limit_passes(limit: str, found: ScanSeverity) -> None:
    assert (shut(done(found), limit) == []) is (WORDS.index(scans.word(found)) <= WORDS.index(limit))


def test_none_allows_no_finding_at_all() -> None:
    assert shut(done(ScanSeverity.NONE), "None") == []
    (said,) = shut(done(ScanSeverity.NEGLIGIBLE), "None")
    assert "found Negligible, and scan.max allows none" in said


@pytest.mark.parametrize("limit", ["Unknown", "none", "HIGH", ""])
def test_a_level_that_is_none_of_them_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match=r"scan\.max"):
        promote(limit)


TELLINGS = st.builds(
    ScanAnswer,
    scan=st.none() | st.builds(Scan, st.sampled_from(ScanState), st.none() | st.sampled_from(ScanSeverity)),
    unknown=st.sampled_from(ScanUnknown),
    why=st.text(max_size=20),
    again_at=st.none() | st.just(NOW + timedelta(minutes=1)),
)
IMAGES = st.builds(
    Image,
    name=st.just("harbor.example/shop/app"),
    tag=st.none() | st.just("1.0"),
    digest=st.sampled_from([DIGEST, DIGEST, None, ""]),
)
SERVICES = st.sampled_from(["order", "print", "design"])


@given(cases=st.dictionaries(SERVICES, st.tuples(IMAGES, st.none() | TELLINGS)), limit=st.sampled_from(WORDS))
def test_nothing_but_a_rated_scan_of_every_image_within_the_limit_opens_the_gate(
    cases: dict[str, tuple[Image, ScanAnswer | None]], limit: str
) -> None:
    """The gate is open exactly when each image that moves has a digest and a scan that is done, rated and low enough;
    whatever is not told of counts as not passed, and each image that keeps it shut is named.
    """
    moved = {service: image for service, (image, _) in cases.items()}
    told = {service: told for service, (_, told) in cases.items() if told is not None}

    def is_good(service: str, image: Image) -> bool:
        scan = told[service].scan if service in told else None
        return (
            bool(image.digest)
            and scan is not None
            and scan.state is ScanState.DONE
            and scan.severity is not None
            and scan.severity.value <= WORDS.index(limit)
        )

    bad = sorted(service for service, image in moved.items() if not is_good(service, image))
    found = gates.shut(promote(limit), NOW, GateFacts(moved=moved, scans=told))
    assert [gate.gate for gate in found] == [Gate.SCAN] * len(bad)
    assert all(service in gate.message for service, gate in zip(bad, found, strict=True))


def test_a_trailer_names_the_worst_first_and_reads_back() -> None:
    found = {"print": ScanSeverity.NONE, "order": ScanSeverity.HIGH, "api": ScanSeverity.NONE}
    assert scans.text(found) == "order=High api=None print=None"
    assert scans.parse(scans.text(found)) == found
    assert scans.parse("order=high ../x=Low =Low print Low=None\ndesign=Low") == {"design": ScanSeverity.LOW}


def test_a_trailer_never_grows_beyond_fifty() -> None:
    many = {f"s{number}": ScanSeverity.NONE for number in range(60)} | {"worst": ScanSeverity.LOW}
    assert len(scans.parse(scans.text(many))) == 50
    assert "worst" in scans.parse(scans.text(many))


def test_of_two_images_of_a_service_the_worse_one_is_told() -> None:
    found = [
        ("order", done(ScanSeverity.HIGH)),
        ("order", done(ScanSeverity.LOW)),
        ("print", done(None)),
        ("api", ScanAnswer()),
    ]
    assert scans.severities(found) == {"order": ScanSeverity.HIGH}
