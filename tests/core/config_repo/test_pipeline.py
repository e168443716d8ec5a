import json
from datetime import UTC, datetime, timedelta

import pytest

from gitops.core.config_repo import layout, pipeline, release
from gitops.core.config_repo.environments import ForeignFieldPolicy
from gitops.core.config_repo.layout import Overlay
from gitops.core.config_repo.pipeline import Pipeline
from gitops.core.config_repo.release import Release
from gitops.core.config_repo.services import TagOrder
from gitops.core.errors import Rejected
from gitops.core.parsing import models
from tests import ROOT
from tests.worlds.rejections import rejection

EXAMPLE = (ROOT / "environments" / "pipeline.yaml").read_bytes()
SMALL = """\
services:
  order: {image: harbor.example/shop/order, tags: {semver: ">=1.4 <2"}}
environments:
  dev:
    namespace: shop-dev
    images: newest
  prod:
    namespace: shop-prod
    after: dev
    promote: {when: requested, soak: 1h30m}
"""
SHA = "0123456789abcdef0123456789abcdef01234567"


def message(text: str) -> str:
    with pytest.raises(Rejected) as caught:
        pipeline.parse(text.encode(), "p.yaml")
    assert caught.value.reason in {"InvalidPipeline", "InvalidYaml"}
    return str(caught.value)


def test_the_example_is_read() -> None:
    found = pipeline.parse(EXAMPLE)
    assert found.order == ("dev", "test", "prod")
    assert found.services["order"].tags.order is TagOrder.PUSHED
    assert found.environments["prod"].promote is not None
    assert found.environments["prod"].promote.soak == timedelta(hours=1)
    assert [found.foreign(name) for name in found.order] == [
        ForeignFieldPolicy.REPORT,
        ForeignFieldPolicy.REPORT,
        ForeignFieldPolicy.REMOVE,
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("images: newest", "image: newest", "p.yaml:6: unknown field `environments.dev.image`"),
        ("    namespace: shop-dev\n", "", "p.yaml:4: `environments.dev.namespace` is missing"),
        ("namespace: shop-dev", "namespace: shop.dev", "p.yaml:5: `environments.dev.namespace` must be a name"),
        (
            "namespace: shop-dev",
            "namespace: 7",
            "p.yaml:5: `environments.dev.namespace` must be a valid string",
        ),
        ("1h30m", "soon", "p.yaml:10: `environments.prod.promote.soak` must be a duration"),
        ("1h30m", "1h, rollback: {within: 0s}", "p.yaml:10: `environments.prod.promote.rollback.within` must be"),
        ("1h30m", "1h, rollback: {}", "p.yaml:10: `environments.prod.promote.rollback"),
        ("1h30m", "90", "p.yaml:10: `environments.prod.promote.soak` must be a duration"),
        ("when: requested", "when: later", "p.yaml:10: `environments.prod.promote.when` must be 'proven' or"),
        ("after: dev", "after: nowhere", "p.yaml:9: prod comes after `nowhere`, which is not declared"),
        ("images: newest", "after: prod", "p.yaml:6: `after` forms a cycle: dev, prod"),
        ("shop-prod", "shop-dev", "p.yaml:8: dev and prod share the namespace shop-dev"),
        (">=1.4 <2", "newest", "p.yaml:2: `services.order.tags` semver must be a range"),
        ("{semver:", "{follow: latest, semver:", "p.yaml:2: `services.order.tags` needs exactly one of"),
        ('{semver: ">=1.4 <2"}', "{pattern: '('}", "p.yaml:2: `services.order.tags.pattern` is not a regular"),
        ('{semver: ">=1.4 <2"}', "{pattern: 'x', order: numeric}", "p.yaml:2: `services.order.tags` order: numeric"),
        ("shop/order", "shop/order:1.0", "p.yaml:2: `services.order.image` must be an image name"),
        ("    images: newest", "    promote: {when: proven}", "p.yaml:4: `environments.dev` promote needs `after`"),
        ("after: dev", "after: dev\n    images: newest", "p.yaml:7: `environments.prod` images: newest needs"),
        ("services:", "services: [", "p.yaml:3: is not YAML"),
        ("services:", "services:\n  order: 1\nservices:", "p.yaml:3: duplicate key `services`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, said: str) -> None:
    assert old in SMALL
    assert message(SMALL.replace(old, new, 1)).startswith(said)


def test_several_mistakes_are_told_at_once() -> None:
    said = message(SMALL.replace("images", "image").replace("1h30m", "soon"))
    assert said.startswith("p.yaml:6: unknown field")
    assert "; line 10: `environments.prod.promote.soak` must be a duration" in said


def test_values_stay_out_of_messages() -> None:
    assert "hunter2" not in message(SMALL.replace("1h30m", "hunter2"))


@pytest.mark.parametrize(
    "window", ["{cron: '0 10 * *', duration: 1h}", "{cron: '* * * * *', duration: 1h, timezone: X/Y}"]
)
def test_windows_need_five_cron_fields_and_a_known_time_zone(window: str) -> None:
    assert "windows.allow.0" in message(SMALL.replace("1h30m", "1h30m, windows: {allow: [" + window + "]}"))


def test_several_environments_may_come_after_one() -> None:
    text = SMALL + "  prod-eu: {namespace: shop-eu, after: dev}\n  dr: {namespace: shop-dr, after: prod-eu}\n"
    found = pipeline.parse(text.encode())
    assert found.order == ("dev", "prod", "prod-eu", "dr")
    assert found.following("dev") == ("prod", "prod-eu")


def test_an_environment_is_one_overlay_or_one_per_directory() -> None:
    paths = [
        "base/platform/kustomization.yaml",
        "environments/dev/kustomization.yaml",
        "environments/dev/part/kustomization.yaml",
        "environments/prod/order/Kustomization",
        "environments/prod/api/kustomization.yml",
        "environments/prod/api/deeper/kustomization.yaml",
        "environments/prod/my.app/kustomization.yaml",
        "environments/old/kustomization.yaml",
    ]
    found = pipeline.parse(("platform: {path: base/platform}\n" + SMALL).encode())
    assert layout.overlays(found, paths) == (
        Overlay("platform", "platform", "base/platform", ""),
        Overlay("dev", "dev", "environments/dev", "shop-dev"),
        Overlay("prod/api", "prod", "environments/prod/api", "shop-prod", "dev"),
        Overlay("prod/order", "prod", "environments/prod/order", "shop-prod", "dev"),
    )
    assert [error.reason for error in layout.problems(found, paths)] == ["InvalidName", "NotDeclared"]


def test_an_environment_without_an_overlay_is_told_not_fatal() -> None:
    found = pipeline.parse(SMALL.encode())
    assert [overlay.name for overlay in layout.overlays(found, ["environments/dev/kustomization.yaml"])] == ["dev"]
    assert [str(e) for e in layout.problems(found, ["environments/dev/kustomization.yaml"])] == [
        "environments/prod/ has no kustomization.yaml, so nothing is deployed; add one"
    ]


def test_release_and_hold_are_read() -> None:
    text = f"base: {SHA}\noverlay: {SHA}\nwaived: adoption\nrejected: [{{service: order, digest: 'sha256:1'}}]\n"
    assert release.parse_release(text.encode(), "r").base == SHA
    hold = release.parse_hold(
        b"who: Li\nwhy: stock-taking\nsince: 2026-11-01T08:00:00+08:00\nuntil: 2026-11-02T00:00:00Z", "h"
    )
    assert hold.is_in_force(datetime(2026, 11, 1, tzinfo=UTC))
    assert not hold.is_in_force(datetime(2026, 11, 2, tzinfo=UTC))


def test_all_holds_count_and_one_that_suspends_before_others() -> None:
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


def test_wrong_release_and_hold_name_file_and_line() -> None:
    digits = "1" * 40
    short = f"base: {SHA}\noverlay: abc\n"
    number = f"base: {SHA}\noverlay: {digits}\n"
    assert rejection(lambda: release.parse_release(short.encode(), "r.yaml")) == ("InvalidRelease", "r.yaml:2")
    assert rejection(lambda: release.parse_release(number.encode(), "r.yaml")) == ("InvalidRelease", "r.yaml:2")
    assert rejection(lambda: release.parse_hold(b"who: Li\nwhy: x\nsince: today", "h.yaml")) == (
        "InvalidHold",
        "h.yaml:3",
    )


def test_what_people_write_into_release_and_hold_has_a_bound() -> None:
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


@pytest.mark.parametrize(
    ("file", "model", "title"),
    [("pipeline", Pipeline, pipeline.FILE), ("release", Release, "release.yaml")],
)
def test_the_published_schema_is_up_to_date(file: str, model: type[models.StrictModel], title: str) -> None:
    published = ROOT / "docs" / f"{file}.schema.json"
    expected = models.json_schema(model, title)
    if published.read_text() != expected:
        published.write_text(expected)
        pytest.fail(f"docs/{file}.schema.json was out of date and has been written anew: commit it")
    assert json.loads(expected)["title"] == title
