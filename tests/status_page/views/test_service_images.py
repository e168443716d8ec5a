"""The page of a service's images: the source of each, the environments it reached, where it runs."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.status_page.views import service_images
from gitops.status_page.views.tones import StatusTone
from tests.status_page.past import BAD_TAG, digest
from tests.status_page.reading import Markup, json, visible_text
from tests.status_page.sample import BEHIND, PIPELINE, TAGS, Source, ago, commit


def test_image_shows_its_source_arrivals_and_runs(client: FlaskClient) -> None:
    text = visible_text(client, "/images/order")

    assert "SNAPSHOT-master-1184" in text.partition("SNAPSHOT-master-1181")[0]
    assert "pushed 4 h ago · built from " + commit("source of " + TAGS["order"])[:12] in text
    assert "dev pushed 4 h ago" in text
    assert "test promoted 3 h ago" in text
    assert "Now in prod Degraded Synced" in text
    assert "rolled back in prod, not promoted there again" in text


def test_image_known_only_to_the_ledger_is_listed_by_its_arrival(source: Source) -> None:
    found = service_images.show_service("gateway", source)

    assert [(line.image.tag, [run.overlay for run in line.runs]) for line in found.images] == [
        (TAGS["gateway"], ["dev", "prod", "test"])
    ]
    assert found.images[0].arrivals == ()


def test_image_has_the_tone_of_the_worst_overlay_that_runs_it(source: Source) -> None:
    found = service_images.show_service("order", source)

    assert [(line.image.tag, line.tone) for line in found.images] == [
        (TAGS["order"], StatusTone.OK),
        (BAD_TAG, StatusTone.BAD),  # runs nowhere, and was rolled back
        (BEHIND["order"], StatusTone.BAD),
    ]


def test_digest_api_tells_a_build_pipeline_when_its_image_is_healthy(client: FlaskClient) -> None:
    new = json(client, f"/api/v1/images/order/{digest('order', TAGS['order'])}")
    old = json(client, f"/api/v1/images/order/{digest('order', BEHIND['order'])}")
    bad = json(client, f"/api/v1/images/order/{digest('order', BAD_TAG)}")

    assert [(name, held["settled"]) for name, held in new["environments"].items()] == [
        ("dev", True),
        ("test", True),
        ("prod", False),
    ]
    assert (old["environments"]["prod"]["wanted"], old["environments"]["prod"]["settled"]) == (True, False)
    assert (bad["environments"]["prod"]["rejected"], bad["environments"]["dev"]["rejected"]) == (True, False)


def test_digest_api_answers_for_an_unknown_digest(client: FlaskClient) -> None:
    answer = client.get(f"/api/v1/images/order/sha256:{'0' * 64}")

    assert (answer.status_code, answer.get_json()["lineage"]) == (200, None)
    assert not any(held["settled"] for held in answer.get_json()["environments"].values())


def test_image_is_linked_from_the_overview(client: FlaskClient) -> None:
    short = digest("order", TAGS["order"]).removeprefix("sha256:")[:12]

    assert f"/images/order#image-{short}" in list(Markup(client.get("/").text).addresses())
    assert f'id="image-{short}"' in client.get("/images/order").text


SOURCE = "https://git.tuling.example/print/order"
LABELS = BuildOrigin(commit("labels"), f"{SOURCE}.git", "2.7.1", ago(days=2))


def with_source(source: Source, *urls: str) -> None:
    """Declares the source repositories of the service `order` in pipeline.yaml."""
    service = PIPELINE.services["order"].model_copy(update={"source": urls})
    source.pipe = PIPELINE.model_copy(update={"services": PIPELINE.services | {"order": service}})


def test_image_labels_are_shown_and_link_to_the_declared_repository(client: FlaskClient, source: Source) -> None:
    with_source(source, SOURCE)
    source.origins[digest("order", TAGS["order"])] = LABELS
    text, addresses = visible_text(client, "/images/order"), list(Markup(client.get("/images/order").text).addresses())

    assert f"built from {LABELS.revision[:12]} · version 2.7.1 · built 2 d ago" in text
    assert f"Source repository in its labels: {SOURCE}.git" in text
    assert f"{SOURCE}/commit/{LABELS.revision}" in addresses
    [line] = [each for each in json(client, "/api/v1/images/order")["images"] if each["image"]["tag"] == TAGS["order"]]
    assert (line["source_revision"], line["source_address"]) == (
        LABELS.revision, f"{SOURCE}/commit/{LABELS.revision}",
    )  # fmt: skip
    assert line["labels"] == {
        "revision": LABELS.revision, "source": f"{SOURCE}.git", "version": "2.7.1", "created": "2026-03-03T09:30:00Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "label"), [((), SOURCE), ((SOURCE,), "https://evil.example/print/order"), (("git@git.x:a/b",), "")]
)
def test_image_labels_alone_never_make_a_link(
    client: FlaskClient, source: Source, declared: tuple[str, ...], label: str
) -> None:
    with_source(source, *declared)
    source.origins[digest("order", TAGS["order"])] = replace(LABELS, source=label)
    html = client.get("/images/order").text

    assert LABELS.revision[:12] in html
    assert not [address for address in Markup(html).addresses() if LABELS.revision in address or label == address]


def test_image_labels_are_shown_as_text(client: FlaskClient, source: Source) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e"
    source.origins[digest("order", TAGS["order"])] = BuildOrigin(version=evil)
    html = client.get("/images/order").text

    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;\ufffd" in html


def test_image_source_comes_from_the_commit_s_trailer_without_labels(client: FlaskClient, source: Source) -> None:
    with_source(source, SOURCE)
    source.origins[digest("order", TAGS["order"])] = BuildOrigin()
    [line] = [each for each in json(client, "/api/v1/images/order")["images"] if each["image"]["tag"] == TAGS["order"]]

    built = commit(f"source of {TAGS['order']}")
    assert (line["source_revision"], line["source_address"]) == (built, f"{SOURCE}/commit/{built}")


def test_source_push_is_shown_until_an_image_names_it(client: FlaskClient, source: Source) -> None:
    with_source(source, SOURCE)
    new, built = "c0ffee" + "0" * 34, commit(f"source of {TAGS['order']}")
    source.pushes["order"] = (
        SourcePush(new, "refs/heads/master", ago(minutes=3)),
        SourcePush(built, "refs/heads/master", ago(hours=4)),
        SourcePush("b" * 40, "refs/heads/master", ago(hours=5)),
    )
    html = client.get("/images/order").text

    assert "c0ffee000000 master no image names this commit yet; pushed 3 min ago" in visible_text(
        client, "/images/order"
    )
    assert [each["revision"] for each in json(client, "/api/v1/images/order")["pushes"]] == [new]
    assert f"{SOURCE}/commit/{new}" in list(Markup(html).addresses())
    assert "尚无镜像注明由它构建" in client.get("/images/order?lang=zh").text
    source.origins[digest("order", TAGS["order"])] = BuildOrigin(new)
    assert json(client, "/api/v1/images/order")["pushes"] == []
    assert 'id="pushes"' not in client.get("/images/order").text


def test_scan_result_is_shown_with_the_promotion(client: FlaskClient, source: Source) -> None:
    scanned = replace(source.git.entries[0], trailers=source.git.entries[0].trailers | {"Lockstep-Scan": "order=Low"})
    source.git = replace(source.git, entries=(scanned, *source.git.entries[1:]))

    assert "scan found Low" in visible_text(client, "/images/order")
    assert "漏洞扫描结果 Low" in client.get("/images/order?lang=zh").text
    assert "scan found: order Low" in visible_text(client, "/promotions")
    arrivals = json(client, "/api/v1/images/order")["images"][0]["arrivals"]
    assert [(each["overlay"], each["scan"]) for each in arrivals] == [("dev", ""), ("test", "Low")]
    assert json(client, "/api/v1/promotions")["timeline"][0]["scans"] == {"order": "Low"}
