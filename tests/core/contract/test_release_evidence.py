"""Evidence of a release: (field, severity) of each part that is not proven."""

from datetime import UTC, datetime

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.release import Admission, Evidence, Release
from gitops.core.contract.release_evidence import find_off_trunk, find_unproven
from gitops.core.images import reference
from gitops.core.revision import Revision
from tests.worlds.surveys import ENVIRONMENTS

BASE, OTHER = "b" * 40, "c" * 40
DIGEST, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
PROD = Overlay("prod", "prod", "environments/prod", "shop-prod", after="test")
PIPELINE = pipeline.parse(
    f"environments: {ENVIRONMENTS}\nservices: {{app: {{image: r.example/app, tags: {{semver: '>=1'}}}}}}\n".encode()
)
PROVEN = Evidence(digest=DIGEST, since=datetime(2026, 1, 1, tzinfo=UTC))
FIRST = Release(base=BASE, overlay=BASE, waived="adoption")


def admitted(source: str = "test", base: str = BASE, **services: Evidence) -> Release:
    return Release(base=BASE, overlay=BASE, admission=Admission(source=source, base=base, services=services))


def unproven(
    release: Release | None, *digests: str, place: Overlay = PROD, adopted: Revision | None = None
) -> list[str]:
    images = [reference.parse(f"r.example/app:1.2@{digest}" if digest else "r.example/app:1.2") for digest in digests]
    images.append(reference.parse("nginx:1"))
    found = find_unproven(place, release, images, PIPELINE, adopted)
    assert all(each.forbids for each in found)
    return [each.field for each in found]


@pytest.mark.parametrize(
    ("release", "digests", "expected"),
    [
        (admitted(app=PROVEN), [DIGEST], []),
        (admitted(app=PROVEN), [NEW], ["/admission/services/app"]),
        (admitted(app=PROVEN), [""], ["/admission/services/app"]),
        (admitted(), [DIGEST], ["/admission/services/app"]),
        (admitted(app=Evidence(digest=DIGEST)), [DIGEST], ["/admission/services/app"]),
        (admitted(app=Evidence(digest=DIGEST, waived="why")), [DIGEST], []),
        (admitted(base=OTHER, app=PROVEN), [DIGEST], ["/base"]),
        (admitted(source="dev", app=PROVEN), [DIGEST], ["/base", "/admission/services/app"]),
        (Release(base=BASE, overlay=BASE), [DIGEST], ["/base", "/admission/services/app"]),
        (Release(base=BASE, overlay=BASE, waived={BASE: "why", DIGEST: "why"}), [DIGEST], []),
        (Release(base=BASE, overlay=BASE, waived={DIGEST: "why"}), [DIGEST, NEW], ["/base", "/admission/services/app"]),
        (Release(), [DIGEST], []),
        (None, [DIGEST], []),
    ],
)
def test_evidence_names_the_base_and_each_digest(
    release: Release | None, digests: list[str], expected: list[str]
) -> None:
    assert unproven(release, *digests) == expected


def test_evidence_is_not_asked_of_the_first_environment() -> None:
    place = Overlay("dev", "dev", "environments/dev", "shop-dev")
    assert unproven(Release(base=BASE, overlay=BASE), DIGEST, place=place) == []


@pytest.mark.parametrize(
    ("adopted", "expected"),
    [
        (Revision(BASE, BASE), []),
        (Revision(OTHER, OTHER), ["/base", "/admission/services/app"]),
        (None, ["/waived", "/base", "/admission/services/app"]),
    ],
)
def test_waiver_without_a_name_counts_for_the_first_release_only(adopted: Revision | None, expected: list[str]) -> None:
    assert unproven(FIRST, DIGEST, adopted=adopted) == expected


def test_messages_say_which_evidence_there_is_and_how_to_waive() -> None:
    [base, image] = find_unproven(
        PROD, admitted("dev"), [reference.parse(f"r.example/app:1.2@{DIGEST}")], PIPELINE, None
    )
    assert base.why == "test has never proven this base: release.yaml holds evidence of dev only"
    assert image.why == "test has never proven app 1.2 with this digest: release.yaml holds no evidence of it"
    assert f'`waived: {{"{DIGEST}": "<why>"}}`' in image.remedy
    assert str(image.place) == "environments/prod/release.yaml"


@pytest.mark.parametrize(
    ("off_trunk", "expected"),
    [
        ({}, []),
        ({BASE: False}, [("/base", "forbid")]),
        ({BASE: True}, [("/base", "warn")]),
        ({BASE: True, OTHER: False}, [("/overlay", "forbid"), ("/base", "warn")]),
    ],
)
def test_commits_off_the_trunk_are_forbidden_unless_a_ref_keeps_them(
    off_trunk: dict[str, bool], expected: list[tuple[str, str]]
) -> None:
    found = find_off_trunk(PROD, Revision(BASE, OTHER), off_trunk)
    assert [(each.field, str(each.severity)) for each in found] == expected
