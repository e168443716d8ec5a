"""The promotions page: what waits for which gate, holds, exceptions, the timeline."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Release
from gitops.status_page import json_format
from gitops.status_page.views import parity, promotions, service_images
from tests.status_page import past, sample
from tests.status_page.reading import json, visible_text
from tests.status_page.sample import NOW, PIPELINE, Source, ago, commit


def promotions_now(source: Source) -> promotions.PromotionsView:
    return promotions.show_promotions(source.ledger, PIPELINE, source.git, NOW)


def test_queue_of_an_environment_names_requests_and_their_gates(client: FlaskClient) -> None:
    text = visible_text(client, "/promotions")

    assert "Request thursday requested by Li Na (not signed) 2 h ago · expires at 2026-03-06 07:30:00 UTC" in text
    assert "0 of 1 approvals; `lockstep approve` gives one" in text
    assert "prod: order SNAPSHOT-master-1184, h5-web SNAPSHOT-master-970, base 30ae11ebf9b1" in text
    assert "Waived: scan the scanner is down, see incident 12" in text
    assert "print-api 1.5.0 soaks in test until 2026-03-05 10:20 UTC" in text
    assert "h5-web SNAPSHOT-master-977: proven in dev in 6 min" in text
    assert "On hold by Anna Wang <anna@tuling.example> 24 h ago" in text
    assert "until it is resumed orders were lost" in text


@pytest.mark.parametrize(
    ("limit", "en", "zh"),
    [("Low", "scan at most Low", "漏洞不高于 Low"), ("None", "scan without findings", "扫描无漏洞")],
)
def test_scan_gate_shows_its_limit(client: FlaskClient, source: Source, limit: str, en: str, zh: str) -> None:
    prod = PIPELINE.environments["prod"]
    promote = PromotePolicy.model_validate_json(f'{{"when": "requested", "scan": {{"max": "{limit}"}}}}')
    environments = PIPELINE.environments | {"prod": prod.model_copy(update={"promote": promote})}
    source.pipe = PIPELINE.model_copy(update={"environments": environments})

    for page in ("/", "/promotions"):
        assert en in visible_text(client, page)
        assert zh in client.get(f"{page}?lang=zh").text


def test_queue_leaves_out_a_reason_that_repeats_a_request(source: Source) -> None:
    [queue] = [found for found in promotions_now(source).queues if found.stage.name == "prod"]

    assert [found.name for found in queue.requests] == ["thursday"]
    assert [found.message for found in queue.waiting] == ["print-api 1.5.0 soaks in test until 2026-03-05 10:20 UTC"]


def test_queue_shows_a_reason_once_for_all_overlays(source: Source) -> None:
    test, gallery = sample.test(), sample.gallery()
    held = dict.fromkeys(("test", "test/gallery"), past.HOLD)
    source.ledger = {each.overlay: (replace(each, waiting=("it waits",)), ()) for each in (test, gallery)}
    source.git = replace(source.git, holds=held)
    [queue] = [found for found in promotions_now(source).queues if found.stage.name == "test"]

    assert [(found.message, found.overlays) for found in queue.waiting] == [("it waits", ("test", "test/gallery"))]
    assert [found.overlays for found in queue.holds] == [("test", "test/gallery")]


def test_hold_that_expired_leaves_the_environment_calm(source: Source) -> None:
    over = past.HOLD.model_copy(update={"until": ago(minutes=1)})
    source.git = replace(source.git, holds={"dev": over})
    [queue] = [found for found in promotions_now(source).queues if found.stage.name == "dev"]

    assert (queue.holds[0].is_over, queue.is_calm) == (True, True)


def test_waiver_of_a_release_stays_visible(client: FlaskClient, source: Source) -> None:
    source.git = replace(source.git, releases={"test": Release(waived="adoption")})

    assert "Waived: all gates adoption" in visible_text(client, "/promotions")
    [queue] = [found for found in json(client, "/api/v1/promotions")["queues"] if found["stage"]["name"] == "test"]
    assert queue["waivers"] == [{"overlays": ["test"], "gate": "", "reason": "adoption"}]


def test_auto_rollback_is_shown_with_the_environment(client: FlaskClient) -> None:
    assert "rolled back automatically if Degraded within 10 min" in visible_text(client, "/promotions")
    stages = [found["stage"] for found in json(client, "/api/v1/promotions")["queues"]]
    found = {stage["name"]: stage["promotion"]["rollback"] for stage in stages if stage["promotion"]}
    assert (found["test"], found["prod"]) == (0.0, 600.0)


DIGEST, BASE = f"sha256:{'4f' * 32}", "4b825dc6" * 5


@pytest.mark.parametrize(
    ("language", "image", "base"),
    [
        (
            "en",
            "Waived: proof of image 4f4f4f4f4f4f orders are lost",
            "Waived: proof of base 4b825dc64b82 only the image",
        ),
        ("zh", "已豁免: 镜像 4f4f4f4f4f4f 的验证 orders are lost", "已豁免: base 4b825dc64b82 的验证 only the image"),
    ],
)
def test_waivers_for_a_digest_or_a_commit_are_shown_in_short_form(
    client: FlaskClient, source: Source, language: str, image: str, base: str
) -> None:
    release = Release(waived={DIGEST: "orders are lost", BASE: "only the image is new"})
    source.git = replace(source.git, releases={"prod": release})
    source.ledger = {**source.ledger, "prod": (replace(sample.prod(), waived=release.waivers), ())}

    for page in ("/promotions", "/overlays/prod"):
        text = visible_text(client, f"{page}?lang={language}")
        assert image in text
        assert base in text
        assert f'title="{DIGEST}"' in client.get(page).text
    assert json(client, "/api/v1/overlays/prod")["contract"]["waived"] == release.waived


def test_timeline_names_author_time_and_evidence(client: FlaskClient) -> None:
    text = visible_text(client, "/promotions")

    assert "26 h ago prod promoted order SNAPSHOT-master-1181 from test proven in test for 10m" in text
    assert "approved by li@tuling.example, wu@x request 7d1f7d1f7d1f Waived: soak hot fix" in text
    assert "24 h ago prod rolled back order SNAPSHOT-master-1179 orders were lost" in text
    rollback = json(client, "/api/v1/promotions")["timeline"][1]
    assert (rollback["deed"], rollback["commit"], rollback["author"]) == ("rollback", commit("rollback"), "Anna Wang")


def test_promotions_page_of_a_new_installation(client: FlaskClient, source: Source) -> None:
    source.ledger, source.git = {}, replace(source.git, entries=(), releases={}, holds={})

    assert "No promotion is waiting" in visible_text(client, "/promotions")
    assert "There are no promotions, rollbacks or holds yet." in visible_text(client, "/promotions")


def test_promotions_parity_and_images_have_the_same_values_in_json(client: FlaskClient, source: Source) -> None:
    assert json(client, "/api/v1/promotions") == json_format.to_plain(promotions_now(source))
    assert json(client, "/api/v1/parity/dev/prod") == json_format.to_plain(
        parity.show_pair("dev", "prod", past.comparison("dev", "prod"))
    )
    assert json(client, "/api/v1/images/order") == json_format.to_plain(service_images.show_service("order", source))
