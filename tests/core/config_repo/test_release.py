"""release.yaml and hold.yaml: parsing, evidence, waivers and the hold in force."""

from datetime import UTC, datetime

import pytest

from gitops.core.config_repo import release
from gitops.core.config_repo.release import Admission, Evidence, Hold, Rejection, Release
from gitops.core.errors import Rejected
from gitops.core.revision import Revision
from tests.worlds.rejections import rejection

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER = "1" * 40
DIGEST = "sha256:" + "2" * 64
SINCE = datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_release_and_hold_are_parsed() -> None:
    text = f"base: {SHA}\noverlay: {SHA}\nwaived: adoption\nrejected: [{{service: order, digest: 'sha256:1'}}]\n"
    assert release.parse_release(text.encode(), "r").base == SHA
    hold = release.parse_hold(
        b"who: Li\nwhy: stock-taking\nsince: 2026-11-01T08:00:00+08:00\nuntil: 2026-11-02T00:00:00Z", "h"
    )
    assert hold.is_in_force(datetime(2026, 11, 1, tzinfo=UTC))
    assert not hold.is_in_force(datetime(2026, 11, 2, tzinfo=UTC))


def test_holds_in_force_a_suspending_one_wins() -> None:
    over, lasting, brief = (
        release.parse_hold(f"{{who: {who}, why: x, since: 2026-11-01T00:00:00Z, {more}}}".encode(), "h")
        for who, more in (
            ("Li", "until: 2026-11-02T00:00:00Z"),
            ("Wang", "until: 2026-11-09T00:00:00Z"),
            ("Zhao", "until: 2026-11-05T00:00:00Z, suspend: true"),
        )
    )
    holds = release.Holds((over, lasting, brief))
    assert [found.who for day in (3, 6) if (found := holds.in_force(datetime(2026, 11, day, tzinfo=UTC)))] == [
        "Zhao",
        "Wang",
    ]
    assert holds.in_force(datetime(2026, 11, 9, tzinfo=UTC)) is None
    assert holds.longest == lasting


def test_release_and_hold_errors_name_file_and_line() -> None:
    digits = "1" * 40
    short = f"base: {SHA}\noverlay: abc\n"
    number = f"base: {SHA}\noverlay: {digits}\n"
    assert rejection(lambda: release.parse_release(short.encode(), "r.yaml")) == ("InvalidRelease", "r.yaml:2")
    assert rejection(lambda: release.parse_release(number.encode(), "r.yaml")) == ("InvalidRelease", "r.yaml:2")
    assert rejection(lambda: release.parse_hold(b"who: Li\nwhy: x\nsince: today", "h.yaml")) == (
        "InvalidHold",
        "h.yaml:3",
    )


def test_release_and_hold_reasons_have_a_bound() -> None:
    long = "x" * 1001
    held = f"who: Li\nwhy: {long}\nsince: 2026-11-23T08:00:00Z"
    with pytest.raises(Rejected, match=r"^h.yaml:2: `why` must have at most 1000 characters$"):
        release.parse_hold(held.encode(), "h.yaml")
    assert release.parse_hold(held.replace(long, long[1:]).encode(), "h.yaml").why == long[1:]
    commits = f"base: {SHA}\noverlay: {SHA}\n"
    many = "".join(f"  sha256:{number:064x}: why\n" for number in range(101))
    for waived in (f" {long}", f"\n  {SHA}: {long}", f"\n{many}"):
        with pytest.raises(Rejected, match=r"^r.yaml:3: .*`waived[^`]*` must have at most \d+ (characters|entries)"):
            release.parse_release(f"{commits}waived:{waived}\n".encode(), "r.yaml")


def test_release_waivers_are_sentences() -> None:
    assert Release(waived="adoption").waivers == ("adoption",)
    assert Release(waived={"soak": "it burns", "scan": "it burns"}).waivers == ("soak: it burns", "scan: it burns")
    assert Release().waivers == ()


@pytest.mark.parametrize(
    ("found", "service", "digest", "expected"),
    [
        (Release(), "order", DIGEST, False),
        (Release(waived={DIGEST: "it burns"}), "order", DIGEST, True),
        (Release(waived="adoption"), "order", DIGEST, False),
        (
            Release(admission=Admission(source="test", services={"order": Evidence(digest=DIGEST)})),
            "order",
            DIGEST,
            False,
        ),
        (
            Release(admission=Admission(source="test", services={"order": Evidence(digest=DIGEST, since=SINCE)})),
            "order",
            DIGEST,
            True,
        ),
        (
            Release(admission=Admission(source="test", services={"order": Evidence(digest=DIGEST, waived="it burns")})),
            "order",
            DIGEST,
            True,
        ),
        (
            Release(admission=Admission(source="test", services={"order": Evidence(digest="sha256:3", since=SINCE)})),
            "order",
            DIGEST,
            False,
        ),
        (
            Release(admission=Admission(source="test", services={"print": Evidence(digest=DIGEST, since=SINCE)})),
            "order",
            DIGEST,
            False,
        ),
    ],
)
def test_release_admits_an_image(found: Release, service: str, digest: str, *, expected: bool) -> None:
    assert found.admits(service, digest) is expected


@pytest.mark.parametrize(
    ("found", "proven", "waiver"),
    [
        (Release(base=SHA, overlay=SHA), False, ""),
        (Release(base=SHA, overlay=SHA, admission=Admission(source="test", base=SHA)), True, ""),
        (Release(base=SHA, overlay=SHA, admission=Admission(source="test", base=OTHER)), False, ""),
        (Release(base=SHA, overlay=SHA, waived={SHA: "only the image is new"}), False, "only the image is new"),
        (Release(base=SHA, overlay=SHA, waived="adoption"), False, "adoption"),
        (Release(base=SHA, overlay=SHA, waived="adoption", admission=Admission(source="test")), False, ""),
    ],
)
def test_release_evidence_for_its_base(found: Release, waiver: str, *, proven: bool) -> None:
    assert (found.has_proven_base, found.base_waiver) == (proven, waiver)


def test_release_with_evidence_of_another_environment_keeps_only_named_waivers() -> None:
    admission = Admission(source="test", base=SHA)
    copied = Release(base=SHA, overlay=SHA, admission=admission, waived={SHA: "why"})
    assert copied.with_evidence_from("test") == copied
    assert copied.with_evidence_from("staging") == Release(base=SHA, overlay=SHA, waived={SHA: "why"})
    text = Release(base=SHA, overlay=SHA, admission=admission, waived="adoption")
    assert text.with_evidence_from("staging") == Release(base=SHA, overlay=SHA)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Rejection(service="order", digest=DIGEST), True),
        (Rejection(service="order", digest=DIGEST, closure="c"), True),
        (Rejection(service="order", digest=DIGEST, closure="d"), False),
        (Rejection(service="print", digest=DIGEST), False),
    ],
)
def test_release_has_rejected(entry: Rejection, *, expected: bool) -> None:
    assert Release(rejected=(entry,)).has_rejected("order", DIGEST, "c") is expected


def test_release_names_both_commits_or_neither() -> None:
    assert Release(base=SHA, overlay=OTHER).revision == Revision(SHA, OTHER)
    assert Release().revision is None
    text = f"base: {SHA}\n".encode()
    with pytest.raises(Rejected, match="name both `base` and `overlay`, or neither"):
        release.parse_release(text, "r.yaml")


def test_release_and_hold_are_written_as_they_are_read() -> None:
    found = Release(base=SHA, overlay=OTHER, admission=Admission(source="test", base=SHA), waived={"soak": "it burns"})
    assert release.parse_release(release.release_text(found), "r.yaml") == found
    hold = Hold(who="张伟", why="stocktaking", since=SINCE, suspend=True)
    text = release.hold_text(hold)
    assert release.parse_hold(text, "h.yaml") == hold
    assert "张伟" in text.decode()


@pytest.mark.parametrize("text", ["", "x" * 1001])
def test_reason_needs_a_length_that_a_file_may_hold(text: str) -> None:
    assert rejection(lambda: release.require_reason(text)) == ("InvalidReason", "None")
    assert release.require_reason("it burns") == "it burns"
