"""The routes of the page and its JSON API, with the headers of the real application."""

from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import Any

import pytest
from flask.testing import FlaskClient

from gitops.core.config_repo.release import Hold, Release
from gitops.core.contract.parity import ComparedOverlay, ParityComparison, ParityFinding
from gitops.core.errors import Unavailable
from gitops.core.image_updates.sweep import RegistryState
from gitops.core.images.reference import Image
from gitops.core.promotion.lineage import LineageEntry
from gitops.core.sync.field_change import FieldChange
from gitops.core.sync.status import ObjectStatus
from gitops.status_page import ControllerTrouble
from tests.status_page import past, sample
from tests.status_page.reading import Markup, json
from tests.status_page.sample import NOW, Source

DIGEST = sample.image("order", sample.TAGS["order"]).digest
PAGES = [
    "/",
    "/?lang=zh",
    "/?kiosk=1",
    "/overlays/prod",
    "/overlays/test/gallery?lang=zh",
    "/promotions",
    "/promotions?kiosk=1",
    "/images/order",
    "/parity",
    "/parity/dev/prod",
    "/parity/test/prod?lang=zh",
]
TWINS = [
    "/api/v1/status",
    "/api/v1/overlays/prod",
    "/api/v1/overlays/test/gallery",
    "/api/v1/overlays/prod/history",
    "/api/v1/overlays/test/gallery/history",
    f"/api/v1/images/{DIGEST}",
    "/api/v1/promotions",
    "/api/v1/images/order",
    f"/api/v1/images/order/{DIGEST}",
    "/api/v1/parity",
    "/api/v1/parity/dev/prod",
]


@pytest.mark.parametrize("path", [*PAGES, *TWINS])
def test_a42_routes_answer_get_and_head_only(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200
    assert (client.head(path).status_code, client.head(path).data) == (200, b"")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert client.open(path, method=method).status_code == 405


@pytest.mark.parametrize("path", PAGES)
def test_a42_pages_load_nothing_external_and_nothing_inline(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    markup = Markup(response.text)

    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.headers["Cache-Control"] == "no-store"
    assert [held["src"].partition("?")[0] for tag, held in markup.elements if tag == "script"] == ["/assets/page.js"]
    assert not [tag for tag, _ in markup.elements if tag in {"style", "iframe", "object", "embed", "form", "base"}]
    assert not [name for _, held in markup.elements for name in held if name == "style" or name.startswith("on")]
    for tag, held in markup.elements:
        if tag in {"link", "img", "script"}:
            assert (held.get("href") or held.get("src", "")).startswith("/assets/")


@pytest.mark.parametrize("name", ["page.css", "page.js", "icon.svg"])
def test_assets_are_revalidated_not_sent_again(client: FlaskClient, name: str) -> None:
    first = client.get(f"/assets/{name}")

    assert first.status_code == 200
    assert client.get(f"/assets/{name}", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("path", [*PAGES, *TWINS])
def test_etag_gives_304_until_the_state_changes(client: FlaskClient, source: Source, path: str) -> None:
    known = {"If-None-Match": client.get(path).headers["ETag"]}
    assert (client.get(path, headers=known).status_code, client.get(path, headers=known).data) == (304, b"")

    source.ledger = {
        name: (
            replace(status, images={"order": Image("order", "2.0.0", DIGEST)}),
            tuple(replace(record, message="other") for record in history),
        )
        for name, (status, history) in source.ledger.items()
    }
    source.git = replace(source.git, entries=source.git.entries[2:], holds={})
    source.compare = lambda a, b: ParityComparison(
        replace(past.between(a, b), head="other", trouble="other"), is_current=True
    )
    assert client.get(path, headers=known).status_code == 200


def test_etag_differs_by_language_and_mode(client: FlaskClient) -> None:
    asked = ("/", "/?lang=zh", "/?kiosk=1", "/overlays/prod", "/overlays/dev")

    assert len({client.get(path).headers["ETag"] for path in asked}) == len(asked)
    assert client.get("/", headers={"Accept-Language": "zh-CN"}).headers["ETag"] != client.get("/").headers["ETag"]


@pytest.mark.parametrize(
    ("path", "accepts", "language"),
    [
        ("/", "zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("/", "de,fr;q=0.5", "en"),
        ("/", "", "en"),
        ("/?lang=zh", "en", "zh-Hans"),
        ("/?lang=en", "zh", "en"),
        ("/?lang=../etc", "zh", "zh-Hans"),
    ],
)
def test_language(client: FlaskClient, path: str, accepts: str, language: str) -> None:
    markup = Markup(client.get(path, headers={"Accept-Language": accepts}).text)

    assert dict(markup.elements)["html"]["lang"] == language


def test_language_and_kiosk_mode_are_kept_by_links(client: FlaskClient) -> None:
    assert 'href="/overlays/test/gallery?lang=zh"' in client.get("/?lang=zh").text
    assert 'href="/overlays/test/gallery"' in client.get("/", headers={"Accept-Language": "zh"}).text
    for path in ("/", "/overlays/prod", "/promotions", "/images/order", "/parity", "/parity/dev/prod"):
        assert not [tag for tag, _ in Markup(client.get(f"{path}?kiosk=1").text).elements if tag == "a"]


@pytest.mark.parametrize(
    "path",
    [
        "/overlays/n0pe",
        "/overlays/prod/n0pe",
        "/assets/n0pe",
        "/images/n0pe",
        "/parity/dev/n0pe",
        "/parity/n0pe/dev",
        "/parity/prod/n0pe/x",
        "/api/v1/overlays/n0pe",
        "/api/v1/images/n0pe",
        "/api/v1/images/order/n0pe",
        f"/api/v1/images/n0pe/{DIGEST}",
        "/api/v1/parity/dev/n0pe",
    ],
)
def test_a43_unknown_path_is_404_without_an_echo(client: FlaskClient, path: str) -> None:
    response = client.get(f"{path}?n0pe=<n0pe>", headers={"Host": "n0pe.example"})

    assert response.status_code == 404
    assert "n0pe" not in response.text
    assert "n0pe" not in str(response.headers)


@pytest.mark.parametrize("path", ["/", "/overlays/prod", "/api/v1/status"])
def test_a43_unreadable_status_is_503_without_credentials(client: FlaskClient, source: Source, path: str) -> None:
    source.error = Unavailable("ClusterUnavailable", "https://bot:hunter2@api:6443 timed out", retry_after=12)
    response = client.get(path)

    assert (response.status_code, response.headers["Retry-After"]) == (503, "12")
    assert "timed out" in response.text
    assert "hunter2" not in response.text


def test_troubles_of_the_controller_are_on_every_page(client: FlaskClient, source: Source) -> None:
    source.own = replace(
        source.own, leader=False, troubles=(ControllerTrouble("PushRefused", "protected branch", NOW),)
    )

    for path in ("/", "/overlays/dev"):
        text = Markup(client.get(path).text).text
        assert "The config repo refuses our pushes" in text
        assert "protected branch" in text
        assert "follower" in text
    assert json(client, "/api/v1/status")["controller"]["troubles"][0]["reason"] == "PushRefused"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Registries", "A registry cannot be swept", "failing since", "no such user", "gallery: no push times"]),
        ("zh", ["镜像仓库", "无法巡检镜像仓库", "上次巡检", "no such user", "gallery: no push times"]),
    ],
)
def test_registries_are_shown_with_the_state_of_their_sweeps(
    client: FlaskClient, source: Source, language: str, words: list[str]
) -> None:
    since = NOW - timedelta(hours=2)
    failing = RegistryState(
        "harbor.example",
        timedelta(minutes=5),
        since,
        since,
        "Unauthorized",
        "no such user",
        ("gallery: no push times",),
    )
    trouble = ControllerTrouble("SweepFailing", "harbor.example: no such user", since)
    source.own = replace(source.own, registries=(failing, RegistryState("new.example")), troubles=(trouble,))
    text = Markup(client.get(f"/?lang={language}").text).text
    for word in words:
        assert word in text
    found = json(client, "/api/v1/status")["controller"]["registries"]
    assert found[0] == {
        "host": "harbor.example",
        "every": 300.0,
        "swept_at": "2026-03-05T07:30:00Z",
        "failing_since": "2026-03-05T07:30:00Z",
        "reason": "Unauthorized",
        "message": "no such user",
        "notes": ["gallery: no push times"],
    }
    assert found[1]["swept_at"] is None


def test_a42_revisions_link_to_the_git_host_only_by_a_web_address(client: FlaskClient, source: Source) -> None:
    head = sample.commit("head")
    assert f"https://git.tuling.internal/platform/config/commit/{head}" in list(
        Markup(client.get("/").text).addresses()
    )

    source.own = replace(source.own, commit_url="javascript:alert('{commit}')")
    assert "javascript:" not in client.get("/").text


def test_empty_ledger_has_a_page(client: FlaskClient, source: Source) -> None:
    source.ledger, source.pipe = {}, None

    assert "No overlay has been reconciled yet" in client.get("/").text


def test_overlays_as_json(client: FlaskClient) -> None:
    found = json(client, "/api/v1/overlays/prod")

    assert found["card"]["health"] == "Degraded"
    assert found["card"]["counts"] == {"Degraded": 1, "Healthy": 25}
    assert found["revisions"]["applied"]["base"] == sample.commit("release")
    assert found["objects"][0]["name"] == "order"
    assert found["drift"][0]["manager"] == "kubesphere-console"
    assert found["history"] == json(client, "/api/v1/overlays/prod/history")["history"]
    assert found["history"][0]["at"] == "2026-03-05T09:19:00Z"


def test_digest_api_tells_where_an_image_runs(client: FlaskClient) -> None:
    found = json(client, f"/api/v1/images/{DIGEST}")
    nowhere = client.get(f"/api/v1/images/sha256:{'0' * 64}")

    assert [(run["environment"], run["overlay"], run["health"], run["sync"]) for run in found["runs"]] == [
        ("dev", "dev", "Healthy", "Synced"),
        ("test", "test", "Healthy", "Synced"),
    ]
    assert (nowhere.status_code, nowhere.get_json()["runs"]) == (200, [])


def test_a41_a43_secrets_are_masked_even_if_the_ledger_has_values(client: FlaskClient, source: Source) -> None:
    status = sample.dev()
    leaky = next(found for found in status.objects if found.key.kind == "Secret")
    leaky = replace(leaky, changes=(FieldChange("/data/password", "b2xk", "bmV3"),))
    source.ledger = {"dev": (sample.with_objects(status, leaky), ())}

    for path in ("/overlays/dev", "/api/v1/overlays/dev"):
        text = client.get(path).text
        assert "/data/password" in text
        assert not [leaked for leaked in ("b2xk", "bmV3", "8m2t6b4k9c") if leaked in text]


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202e\u2066evil\x00\x1b[2J",
    "<!-- -->]]></title><svg/onload=alert(1)>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a42_hostile_text_stays_text(client: FlaskClient, source: Source, text: str) -> None:
    source.ledger = {
        name: (
            replace(_poisoned(status, text), overlay=name, environment=status.environment),
            _poisoned(tuple(history), text),
        )
        for name, (status, history) in source.ledger.items()
    }
    source.own = _poisoned(source.own, text)
    source.git = replace(
        source.git,
        entries=tuple(_poisoned_entry(entry, text) for entry in source.git.entries),
        releases={name: _poisoned_release(release, text) for name, release in source.git.releases.items()},
        holds={"prod": Hold(who=text, why=text, since=NOW)},
    )
    source.compare = lambda a, b: ParityComparison(_poisoned_parity(past.between(a, b), text), is_current=True)

    for path in PAGES:
        response = client.get(path)
        markup = Markup(response.text)
        assert response.status_code == 200
        assert [tag for tag, _ in markup.elements].count("script") == 1
        assert not [tag for tag, _ in markup.elements if tag == "img"]
        assert not [name for _, held in markup.elements for name in held if name.startswith("on")]
        assert all(address.startswith(("/", "?", "#")) for address in markup.addresses())
        assert not set(response.text) & set("\u202e\u2066\x00\x1b")
    for path in TWINS:
        assert client.get(path).content_type == "application/json"
        assert not set(client.get(path).text) & set("\u202e\u2066\x00\x1b")


def test_a42_a_huge_state_makes_a_bounded_page(client: FlaskClient, source: Source) -> None:
    status = sample.prod()
    many = tuple(
        replace(
            found, key=replace(found.key, name=f"{found.key.name}-{copy}"), message="x" * 1_000_000, changes=changes
        )
        for copy in range(40)
        for found in status.objects
        for changes in [tuple(FieldChange(f"/f{n}", "y" * 10_000, None) for n in range(80))]
    )
    source.ledger = {"prod": (replace(status, objects=many), ())}

    assert len(client.get("/overlays/prod").data) < 8_000_000
    assert f"{len(many) - 500} more objects" in client.get("/overlays/prod").text
    assert len(client.get("/").data) < 200_000


def _poisoned(value: Any, text: str) -> Any:
    """The value with every free text in it replaced by `text`, at any depth."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return text
    if is_dataclass(value) and not isinstance(value, (type, Image)):
        changed = {part.name: _poisoned(getattr(value, part.name), text) for part in fields(value)}
        return _restored(value, changed)
    if isinstance(value, tuple):
        return tuple(_poisoned(held, text) for held in value)
    if isinstance(value, dict):
        return {f"{text}{position}": _poisoned(held, text) for position, held in enumerate(value.values())}
    return value


def _poisoned_entry(entry: LineageEntry, text: str) -> LineageEntry:
    """Digests, services and environments are kept, because they select what is shown."""
    kept = {"Lockstep-Digest", "Lockstep-Service"}
    return replace(
        entry,
        commit=text,
        author=text,
        subject=text,
        trailers={key: value if key in kept else text for key, value in entry.trailers.items()},
        releases={name: held and _poisoned_release(held, text) for name, held in entry.releases.items()},
    )


def _poisoned_release(release: Release, text: str) -> Release:
    return release.model_copy(update={"waived": {text: text}})


def _poisoned_parity(found: ComparedOverlay, text: str) -> ComparedOverlay:
    pairs = tuple(
        replace(
            pair,
            a=text,
            b=text,
            trouble=text,
            commits=(text,),
            findings=tuple(
                ParityFinding(each.status, replace(each.key, name=text), text, text, text, text)
                for each in pair.findings
            ),
        )
        for pair in found.pairs
    )
    return replace(found, head=text, trouble=text, pairs=pairs)


def _restored(value: Any, changed: dict[str, Any]) -> Any:
    """Condition types are kept, because they select what is shown."""
    if isinstance(value, ObjectStatus):
        changed["key"] = replace(changed["key"], kind="Deployment")
    if "reason" in changed and "type" in changed:
        changed["type"] = value.type
    return replace(value, **changed)
