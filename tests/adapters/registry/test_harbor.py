"""The Harbor adapter against a server that answers as Harbor's API does. tests/worlds/harbor.py says how far."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gitops.adapters.registry.exchange import RegistryAccess
from gitops.adapters.registry.harbor import HarborRegistry
from gitops.core.errors import Rejected, Unavailable
from gitops.core.images.registry_facts import ImageDescription, Scan, ScanSeverity, ScanState, TaggedImage
from tests.worlds.harbor import PASSWORD, USER, Harbor, digest, harbor
from tests.worlds.registry_server import said, serving

START = datetime(2026, 11, 1, 8, tzinfo=UTC)
REPORT = "application/vnd.security.vulnerability.report; version=1.1"
OLD_REPORT = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
SBOM = "application/vnd.security.sbom.report+json; version=1.0"
REPOSITORY = "tuling/print/print-api"


@pytest.fixture
def world() -> Iterator[Harbor]:
    with harbor() as made:
        yield made


def connect(world: Harbor) -> HarborRegistry:
    return HarborRegistry(RegistryAccess(world.host, world.url, lambda: (USER, PASSWORD), seconds=10.0))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def name(world: Harbor) -> str:
    return f"{world.host}/{REPOSITORY}"


def test_harbor_tags_have_digest_and_push_time_newest_first(world: Harbor) -> None:
    first = world.push(REPOSITORY, "1.4.0", at(1.005))
    second = world.push(REPOSITORY, "1.5.0", at(2))
    world.retag(REPOSITORY, first, "stable", at(3))
    assert connect(world).tags(name(world)) == [
        TaggedImage("stable", first, at(3)),
        TaggedImage("1.5.0", second, at(2)),
        TaggedImage("1.4.0", first, at(1.005)),
    ]
    assert "/projects/tuling/repositories/print%252Fprint-api/artifacts?" in world.asked[0]


def test_harbor_tags_are_read_from_every_page_without_untagged_artifacts(world: Harbor) -> None:
    for number in range(250):
        world.push(REPOSITORY, f"1.0.{number}", at(number))
        world.push(REPOSITORY, "latest", at(number + 0.5), f"untagged {number}")
    assert len(connect(world).tags(name(world))) == 251
    assert len(world.asked) == 3


def test_harbor_tags_can_be_limited_by_push_time(world: Harbor) -> None:
    for number in range(250):
        world.push(REPOSITORY, f"1.0.{number}", at(number))
    found = connect(world).tags(name(world), at(240))
    assert [each.tag for each in found] == [f"1.0.{number}" for number in range(249, 239, -1)]
    assert len(world.asked) == 1


def test_harbor_tag_has_the_time_of_its_last_move(world: Harbor) -> None:
    first = world.push(REPOSITORY, "latest", at(1), "one")
    world.push(REPOSITORY, "latest", at(2), "two")
    world.retag(REPOSITORY, first, "latest", at(3))
    assert connect(world).image_of_tag(name(world), "latest") == TaggedImage("latest", first, at(3))
    assert connect(world).image_of_tag(name(world), "absent") is None


def test_harbor_has_a_digest_until_it_is_deleted(world: Harbor) -> None:
    found = world.push(REPOSITORY, "latest", at(1), "one")
    world.push(REPOSITORY, "latest", at(2), "two")
    assert connect(world).has(name(world), found)
    world.delete(REPOSITORY, found)
    assert not connect(world).has(name(world), found)
    assert not connect(world).has(f"{world.host}/tuling/never-there", found)


def count_findings(severity: str, total: int, **findings: int) -> dict[str, object]:
    """Return a scan overview of Harbor 2 with counts. Harbor ranks Unknown no worse than None."""
    words = {word.rstrip("_"): number for word, number in findings.items()}
    counts = {"total": total, "fixable": 0, "summary": words}
    return {REPORT: {"scan_status": "Success", "severity": severity, "complete_percent": 100, "summary": counts}}


@pytest.mark.parametrize(
    ("overview", "scan"),
    [
        (None, Scan(ScanState.ABSENT)),
        ({}, Scan(ScanState.ABSENT)),
        ({SBOM: {"scan_status": "Success", "severity": "None"}}, Scan(ScanState.ABSENT)),
        ({REPORT: {"scan_status": "Pending"}}, Scan(ScanState.RUNNING)),
        ({REPORT: {"scan_status": "Scheduled"}}, Scan(ScanState.RUNNING)),
        ({REPORT: {"scan_status": "Running", "severity": "Low"}}, Scan(ScanState.RUNNING)),
        ({REPORT: {"scan_status": "Error", "severity": ""}}, Scan(ScanState.FAILED)),
        ({REPORT: {"scan_status": "Stopped", "severity": "Low"}}, Scan(ScanState.FAILED)),
        ({REPORT: {"scan_status": "a new word", "severity": "None"}}, Scan(ScanState.FAILED)),
        ({REPORT: {"scan_status": "Success", "severity": "None"}}, Scan(ScanState.DONE, ScanSeverity.NONE)),
        ({REPORT: {"scan_status": "Success", "severity": "Unknown"}}, Scan(ScanState.DONE, None)),
        ({REPORT: {"scan_status": "Success", "severity": ""}}, Scan(ScanState.DONE, None)),
        (
            {OLD_REPORT: {"scan_status": "Success", "severity": "Critical", "end_time": "2026-11-01T08:07:00.000Z"}},
            Scan(ScanState.DONE, ScanSeverity.CRITICAL),
        ),
        (
            {
                OLD_REPORT: {"scan_status": "Success", "severity": "Low"},
                REPORT: {"scan_status": "Success", "severity": "High", "complete_percent": 100},
            },
            Scan(ScanState.DONE, ScanSeverity.HIGH),
        ),
        ({REPORT: {"scan_status": "Running", "severity": "Low", "complete_percent": 50}}, Scan(ScanState.RUNNING)),
        ({REPORT: {"scan_status": "Success", "severity": "Low", "complete_percent": 50}}, Scan(ScanState.FAILED)),
        (count_findings("None", 0), Scan(ScanState.DONE, ScanSeverity.NONE)),
        (count_findings("None", 3, Unknown=3), Scan(ScanState.DONE, None)),
        (count_findings("Low", 10, Low=1, Unknown=9), Scan(ScanState.DONE, None)),
        (count_findings("None", 3), Scan(ScanState.DONE, None)),
        (count_findings("None", 2, None_=2), Scan(ScanState.DONE, None)),
        (count_findings("Low", 1, Low=1, Unknown=0), Scan(ScanState.DONE, ScanSeverity.LOW)),
        (count_findings("Low", 2, Low=1, Critical=1), Scan(ScanState.DONE, ScanSeverity.CRITICAL)),
        (count_findings("Low", 2, Low=1, Appalling=1), Scan(ScanState.DONE, None)),
    ],
)
def test_harbor_scan_has_state_and_severity(world: Harbor, overview: dict[str, object] | None, scan: Scan) -> None:
    found = world.push(REPOSITORY, "1.0.0", at(1), scans=overview)
    assert connect(world).scan(name(world), found) == scan


def test_harbor_scan_of_a_missing_image_is_refused(world: Harbor) -> None:
    with pytest.raises(Rejected) as refused:
        connect(world).scan(name(world), digest("nothing"))
    assert refused.value.reason == "NotFound"


def test_harbor_labels_of_an_index_are_those_of_its_first_image(world: Harbor) -> None:
    labels = {"org.opencontainers.image.revision": "0123abc"}
    plain = world.push(REPOSITORY, "1.0.0", at(1), labels=labels)
    children = [
        {"parent_id": 2, "child_id": 3, "child_digest": digest("other"), "platform": {"os": "unknown"}},
        {"parent_id": 2, "child_id": 1, "child_digest": plain, "platform": {"os": "linux", "OsFeatures": []}},
    ]
    index = world.push(REPOSITORY, "1.0.0-all", at(2), children=children)
    assert connect(world).describe(name(world), plain) == ImageDescription(labels)
    assert connect(world).describe(name(world), index) == ImageDescription(labels)


def test_harbor_password_that_is_rotated_is_used_at_once(world: Harbor) -> None:
    world.push(REPOSITORY, "1.0.0", at(1))
    known = ["an old secret"]
    found = HarborRegistry(RegistryAccess(world.host, world.url, lambda: (USER, known[0]), seconds=10.0))
    with pytest.raises(Rejected) as refused:
        found.tags(name(world))
    assert refused.value.reason == "Unauthorized"
    assert "an old secret" not in str(refused.value)
    known[0] = PASSWORD
    assert len(found.tags(name(world))) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "Forbidden"), (404, "NotFound"), (429, "TooManyRequests"), (500, "RegistryFailed"), (302, "BadAnswer")],
)
def test_harbor_errors_have_a_reason_by_status(world: Harbor, status: int, reason: str) -> None:
    world.status = status
    with pytest.raises((Rejected, Unavailable)) as refused:
        connect(world).tags(name(world))
    assert refused.value.reason == reason
    assert isinstance(refused.value, Unavailable) == (status in {429, 500})


def test_harbor_404_of_another_server_is_a_bad_answer(world: Harbor) -> None:
    world.push(REPOSITORY, "1.0.0", at(1))
    elsewhere = HarborRegistry(
        RegistryAccess(world.host, f"{world.url}/proxied", lambda: (USER, PASSWORD), seconds=10.0)
    )
    with pytest.raises(Rejected) as refused:
        elsewhere.has(name(world), digest("x"))
    assert refused.value.reason == "BadAnswer"


def test_harbor_refuses_an_invalid_image_name(world: Harbor) -> None:
    for image in ("tuling", f"{world.host}/tuling", f"{world.host}/tuling/../x", f"{world.host}/tuling/a?b=c"):
        with pytest.raises(Rejected) as refused:
            connect(world).tags(image)
        assert refused.value.reason == "InvalidImage"
    assert not world.asked


def test_harbor_refuses_more_than_50000_tags(world: Harbor) -> None:
    for number in range(6):
        found = world.push(REPOSITORY, f"1.0.{number}", at(number))
        artifact = next(each for each in world.repositories[REPOSITORY] if each.digest == found)
        artifact.tags |= {f"build-{number}-{each}": at(number) for each in range(8_400)}
    with pytest.raises(Rejected) as refused:
        connect(world).tags(name(world))
    assert refused.value.reason == "TooManyTags"
    assert "more than 50000 tags" in str(refused.value)
    artifact.tags |= {f"more-{each}": at(1) for each in range(1_700)}
    with pytest.raises(Rejected) as refused:
        connect(world).image_of_tag(name(world), "1.0.5")
    assert refused.value.reason == "BadAnswer"


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_harbor_push_time_out_of_range_is_none(when: str) -> None:
    page = json.dumps([{"digest": digest("x"), "push_time": when, "tags": [{"name": "1.0.0", "push_time": when}]}])
    with serving(lambda handler: said(handler, 200, page.encode())) as (host, _):
        found = HarborRegistry(RegistryAccess(host, f"http://{host}")).tags(f"{host}/{REPOSITORY}")
    assert found == [TaggedImage("1.0.0", digest("x"), None)]
