"""What the pages of promotions, parity and images say, and that their JSON twins say the same."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gitops.core.config_repo.environments import PromotePolicy
from gitops.core.config_repo.release import Release
from gitops.core.contract.parity import DifferenceStatus, ParityComparison
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from gitops.status_page import json_format
from gitops.status_page.views import parity, promotions, service_images
from gitops.status_page.views.overlay import StatusTone
from tests.status_page import past, sample
from tests.status_page.past import BAD_TAG, digest
from tests.status_page.sample import BEHIND, NOW, PIPELINE, TAGS, Source, ago, commit
from tests.status_page.test_page import Markup, json


class Words(Markup):
    """The visible text, with a blank between elements."""

    def handle_data(self, data: str) -> None:
        self.text += f" {data} "


def shown(client: FlaskClient, path: str) -> str:
    """The visible text, blanks run together."""
    return " ".join(Words(client.get(path).text).text.split())


def promotions_now(source: Source) -> promotions.PromotionsView:
    return promotions.promotions(source.told, PIPELINE, source.git, NOW)


# -- promotions


def test_each_environment_says_what_waits_and_which_gate_holds_it(client: FlaskClient) -> None:
    text = shown(client, "/promotions")

    assert "Request thursday asked for by Li Na (not signed) 2 h ago · given up at 2026-03-06 07:30:00 UTC" in text
    assert "0 of 1 approvals; `lockstep approve` gives one" in text
    assert "prod: order SNAPSHOT-master-1184, h5-web SNAPSHOT-master-970, base 30ae11ebf9b1" in text
    assert "Waived: scan the scanner is down, see incident 12" in text
    assert "print-api 1.5.0 soaks in test until 2026-03-05 10:20 UTC" in text
    assert "h5-web SNAPSHOT-master-977: proven in dev in 6 min" in text
    assert "Held by Anna Wang <anna@tuling.example> 24 h ago" in text
    assert "until somebody resumes it orders were lost" in text


@pytest.mark.parametrize(
    ("limit", "en", "zh"),
    [("Low", "scan up to Low", "漏洞不高于 Low"), ("None", "scan without findings", "扫描无漏洞")],
)
def test_the_scan_gate_says_what_it_lets_through(
    client: FlaskClient, source: Source, limit: str, en: str, zh: str
) -> None:
    prod = PIPELINE.environments["prod"]
    promote = PromotePolicy.model_validate_json(f'{{"when": "requested", "scan": {{"max": "{limit}"}}}}')
    environments = PIPELINE.environments | {"prod": prod.model_copy(update={"promote": promote})}
    source.pipe = PIPELINE.model_copy(update={"environments": environments})

    for page in ("/", "/promotions"):
        assert en in shown(client, page)
        assert zh in client.get(f"{page}?lang=zh").text


def test_a_sentence_that_only_repeats_a_request_is_not_said_twice(source: Source) -> None:
    [queue] = [found for found in promotions_now(source).queues if found.stage.name == "prod"]

    assert [found.name for found in queue.requests] == ["thursday"]
    assert [found.message for found in queue.waiting] == ["print-api 1.5.0 soaks in test until 2026-03-05 10:20 UTC"]


def test_what_all_overlays_of_an_environment_say_is_said_once(source: Source) -> None:
    test, gallery = sample.test(), sample.gallery()
    held = dict.fromkeys(("test", "test/gallery"), past.HOLD)
    source.told = {each.overlay: (replace(each, waiting=("it waits",)), ()) for each in (test, gallery)}
    source.git = replace(source.git, holds=held)
    [queue] = [found for found in promotions_now(source).queues if found.stage.name == "test"]

    assert [(found.message, found.overlays) for found in queue.waiting] == [("it waits", ("test", "test/gallery"))]
    assert [found.overlays for found in queue.holds] == [("test", "test/gallery")]


def test_a_hold_that_is_over_is_told_from_one_that_holds(source: Source) -> None:
    over = past.HOLD.model_copy(update={"until": ago(minutes=1)})
    source.git = replace(source.git, holds={"dev": over})
    [queue] = [found for found in promotions_now(source).queues if found.stage.name == "dev"]

    assert (queue.holds[0].is_over, queue.is_calm) == (True, True)


def test_what_was_let_through_without_proof_stays_visible(client: FlaskClient, source: Source) -> None:
    source.git = replace(source.git, releases={"test": Release(waived="adoption")})

    assert "Waived: all gates adoption" in shown(client, "/promotions")
    [queue] = [found for found in json(client, "/api/v1/promotions")["queues"] if found["stage"]["name"] == "test"]
    assert queue["waivers"] == [{"overlays": ["test"], "gate": "", "reason": "adoption"}]


def test_an_environment_that_goes_back_by_itself_says_so(client: FlaskClient) -> None:
    assert "goes back by itself when Degraded within 10 min" in shown(client, "/promotions")
    stages = [found["stage"] for found in json(client, "/api/v1/promotions")["queues"]]
    told = {stage["name"]: stage["promotion"]["rollback"] for stage in stages if stage["promotion"]}
    assert (told["test"], told["prod"]) == (0.0, 600.0)


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
def test_exceptions_for_a_digest_or_a_commit_are_readable(
    client: FlaskClient, source: Source, language: str, image: str, base: str
) -> None:
    release = Release(waived={DIGEST: "orders are lost", BASE: "only the image is new"})
    source.git = replace(source.git, releases={"prod": release})
    source.told = {**source.told, "prod": (replace(sample.prod(), waived=release.waivers), ())}

    for page in ("/promotions", "/overlays/prod"):
        text = shown(client, f"{page}?lang={language}")
        assert image in text
        assert base in text
        assert f'title="{DIGEST}"' in client.get(page).text
    assert json(client, "/api/v1/overlays/prod")["contract"]["waived"] == release.waived


def test_what_an_overlay_runs_by_exception_is_on_its_page(client: FlaskClient, source: Source) -> None:
    assert "It runs by exception" not in shown(client, "/overlays/dev")
    assert "It runs by exception" in shown(client, "/overlays/prod")
    assert "rolled back to 1179" in shown(client, "/overlays/prod")

    status = replace(sample.dev(), waived=("adoption", "soak: two: words"))
    source.told = {**source.told, "dev": (status, ())}
    assert "Waived: all gates adoption Waived: soak two: words" in shown(client, "/overlays/dev")
    assert json(client, "/api/v1/overlays/dev")["contract"]["waived"] == {"": "adoption", "soak": "two: words"}


def test_the_timeline_names_who_when_and_on_what_evidence(client: FlaskClient) -> None:
    text = shown(client, "/promotions")

    assert "26 h ago prod promoted order SNAPSHOT-master-1181 from test proven in test for 10m" in text
    assert "approved by li@tuling.example, wu@x request 7d1f7d1f7d1f Waived: soak hot fix" in text
    assert "24 h ago prod rolled back order SNAPSHOT-master-1179 orders were lost" in text
    rollback = json(client, "/api/v1/promotions")["timeline"][1]
    assert (rollback["deed"], rollback["commit"], rollback["author"]) == ("rollback", commit("rollback"), "Anna Wang")


def test_an_installation_where_nothing_happened_yet_says_so(client: FlaskClient, source: Source) -> None:
    source.told, source.git = {}, replace(source.git, entries=(), releases={}, holds={})

    assert "Nothing waits for a promotion" in shown(client, "/promotions")
    assert "Nothing was promoted, rolled back or held yet." in shown(client, "/promotions")


# -- parity


def test_the_undeclared_comes_first_and_names_object_field_and_both_values(client: FlaskClient) -> None:
    text = shown(client, "/parity/dev/prod")

    assert "They differ in what nobody declared" in text
    assert "undeclared 2 pending 1 declared 3" in text
    assert (
        text.index("No variation allows these") < text.index("with the next promotion") < text.index("A variation of")
    )
    assert "Deployment order /spec/template/spec/containers/app/env/LOG_LEVEL/value info debug" in text
    assert "ConfigMap leftover the whole object absent present" in text
    assert "1f2e3d4 order: retry when the printer is busy" in text
    assert "Deployment order /spec/replicas 1 3 replicas" in text


def test_a_pending_difference_shows_what_is_there_and_what_comes(client: FlaskClient) -> None:
    text = shown(client, "/parity/dev/prod")

    assert text.index("prod now") < text.index(BEHIND["order"]) < text.index(TAGS["order"])


def test_secrets_are_masked_even_if_the_comparison_is_not(client: FlaskClient, source: Source) -> None:
    leaky = tuple(replace(each, a="b2xk", b="bmV3") if each.key.kind == "Secret" else each for each in past.findings())
    found = past.between("dev", "prod")
    leaking = replace(found, pairs=(replace(found.pairs[0], findings=leaky),))
    source.compare = lambda _a, _b: ParityComparison(leaking, is_current=True)

    for path in ("/parity/dev/prod", "/api/v1/parity/dev/prod"):
        text = client.get(path).text
        assert "/data/password" in text
        assert not [leaked for leaked in ("b2xk", "bmV3", "8m2t6b4k9c") if leaked in text]


def test_what_cannot_be_compared_is_undeclared_with_the_reason(client: FlaskClient) -> None:
    assert "test/gallery has no counterpart" in shown(client, "/parity/dev/test")
    assert "undeclared 1" in shown(client, "/parity/dev/test")
    assert "MissingFile: environments/prod: there is no kustomization.yaml" in shown(client, "/parity/test/prod")
    assert json(client, "/api/v1/parity/test/prod")["equal"] is False


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (ParityComparison(asked_at=ago(seconds=7)), "working", "This is being worked out, since 7 s ago"),
        (ParityComparison(), "waiting", "Other comparisons come first"),
        (ParityComparison(past.between("dev", "prod"), asked_at=ago(seconds=7)), "working", "The trunk has moved on"),
    ],
)
def test_an_answer_that_is_not_there_yet_is_said_so(
    client: FlaskClient, source: Source, found: ParityComparison, state: str, said: str
) -> None:
    source.compare = lambda _a, _b: found
    answer = client.get("/api/v1/parity/dev/prod")

    assert said in shown(client, "/parity/dev/prod")
    assert 'http-equiv="refresh"' in client.get("/parity/dev/prod").text
    assert (answer.status_code, answer.headers["Retry-After"], answer.get_json()["state"]) == (202, "2", state)


def test_no_other_name_than_an_environment_s_reaches_the_worker(client: FlaskClient, source: Source) -> None:
    for pair in ("dev/dev", "dev/n0pe", "platform/dev", "test%2Fgallery/prod", "dev%20prod/test"):
        assert client.get(f"/parity/{pair}").status_code == 404
    assert source.asked == []


def test_the_list_asks_only_for_environments_that_follow_each_other(client: FlaskClient, source: Source) -> None:
    text = shown(client, "/parity")

    assert source.asked == [("dev", "test"), ("test", "prod")]
    assert "dev and prod They differ in what nobody declared 2 undeclared 1 pending 3 declared" in text


def test_a_thousand_differences_make_a_bounded_page(client: FlaskClient, source: Source) -> None:
    found = past.between("dev", "prod")
    many = replace(found, pairs=(replace(found.pairs[0], findings=past.findings() * 200),), left_out=10)
    source.compare = lambda _a, _b: ParityComparison(many, is_current=True)

    shown_all = len(past.findings()) * 200 - parity.MOST_FINDINGS + 10
    assert f"{shown_all} more differences are not listed" in shown(client, "/parity/dev/prod")


# -- images


def test_an_image_is_followed_through_the_environments(client: FlaskClient) -> None:
    text = shown(client, "/images/order")

    assert "SNAPSHOT-master-1184" in text.partition("SNAPSHOT-master-1181")[0]
    assert "pushed 4 h ago · built from " + commit("source of " + TAGS["order"])[:12] in text
    assert "dev pushed 4 h ago" in text
    assert "test promoted 3 h ago" in text
    assert "Now in prod Degraded Synced" in text
    assert "rolled back, does not come again in prod" in text


def test_an_image_that_only_the_ledger_knows_is_listed_by_when_it_came(source: Source) -> None:
    found = service_images.service("gateway", source)

    assert [(line.image.tag, [run.overlay for run in line.runs]) for line in found.images] == [
        (TAGS["gateway"], ["dev", "prod", "test"])
    ]
    assert found.images[0].arrivals == ()


def test_an_image_has_the_tone_of_the_worst_place_it_runs_in(source: Source) -> None:
    found = service_images.service("order", source)

    assert [(line.image.tag, line.tone) for line in found.images] == [
        (TAGS["order"], StatusTone.OK),
        (BAD_TAG, StatusTone.BAD),  # runs nowhere, and was rolled back
        (BEHIND["order"], StatusTone.BAD),
    ]


def test_a_pipeline_can_wait_until_its_image_is_healthy(client: FlaskClient) -> None:
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


def test_a_digest_that_nobody_knows_yet_is_an_answer_not_an_error(client: FlaskClient) -> None:
    answer = client.get(f"/api/v1/images/order/sha256:{'0' * 64}")

    assert (answer.status_code, answer.get_json()["lineage"]) == (200, None)
    assert not any(held["settled"] for held in answer.get_json()["environments"].values())


def test_the_overview_leads_to_the_images(client: FlaskClient) -> None:
    short = digest("order", TAGS["order"]).removeprefix("sha256:")[:12]

    assert f"/images/order#image-{short}" in list(Markup(client.get("/").text).addresses())
    assert f'id="image-{short}"' in client.get("/images/order").text


SOURCE = "https://git.tuling.example/print/order"
LABELS = BuildOrigin(commit("labels"), f"{SOURCE}.git", "2.7.1", ago(days=2))


def with_source(source: Source, *urls: str) -> None:
    """pipeline.yaml says what order is built from."""
    service = PIPELINE.services["order"].model_copy(update={"source": urls})
    source.pipe = PIPELINE.model_copy(update={"services": PIPELINE.services | {"order": service}})


def test_an_image_shows_what_its_labels_say_and_links_to_the_declared_repository(
    client: FlaskClient, source: Source
) -> None:
    with_source(source, SOURCE)
    source.origins[digest("order", TAGS["order"])] = LABELS
    text, addresses = shown(client, "/images/order"), list(Markup(client.get("/images/order").text).addresses())

    assert f"built from {LABELS.revision[:12]} · version 2.7.1 · built 2 d ago" in text
    assert f"Its labels name the source {SOURCE}.git" in text
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
def test_labels_alone_never_make_a_link(
    client: FlaskClient, source: Source, declared: tuple[str, ...], label: str
) -> None:
    with_source(source, *declared)
    source.origins[digest("order", TAGS["order"])] = replace(LABELS, source=label)
    html = client.get("/images/order").text

    assert LABELS.revision[:12] in html
    assert not [address for address in Markup(html).addresses() if LABELS.revision in address or label == address]


def test_labels_of_a_stranger_are_shown_as_text(client: FlaskClient, source: Source) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e"
    source.origins[digest("order", TAGS["order"])] = BuildOrigin(version=evil)
    html = client.get("/images/order").text

    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;\ufffd" in html


def test_the_trailer_of_a_commit_tells_where_labels_do_not(client: FlaskClient, source: Source) -> None:
    with_source(source, SOURCE)
    source.origins[digest("order", TAGS["order"])] = BuildOrigin()
    [line] = [each for each in json(client, "/api/v1/images/order")["images"] if each["image"]["tag"] == TAGS["order"]]

    built = commit(f"source of {TAGS['order']}")
    assert (line["source_revision"], line["source_address"]) == (built, f"{SOURCE}/commit/{built}")


def test_a_push_is_shown_until_an_image_names_it(client: FlaskClient, source: Source) -> None:
    with_source(source, SOURCE)
    new, built = "c0ffee" + "0" * 34, commit(f"source of {TAGS['order']}")
    source.pushes["order"] = (
        SourcePush(new, "refs/heads/master", ago(minutes=3)),
        SourcePush(built, "refs/heads/master", ago(hours=4)),
        SourcePush("b" * 40, "refs/heads/master", ago(hours=5)),
    )
    html = client.get("/images/order").text

    assert "c0ffee000000 master no image names it yet; pushed 3 min ago" in shown(client, "/images/order")
    assert [each["revision"] for each in json(client, "/api/v1/images/order")["pushes"]] == [new]
    assert f"{SOURCE}/commit/{new}" in list(Markup(html).addresses())
    assert "尚无镜像注明由它构建" in client.get("/images/order?lang=zh").text
    source.origins[digest("order", TAGS["order"])] = BuildOrigin(new)
    assert json(client, "/api/v1/images/order")["pushes"] == []
    assert 'id="pushes"' not in client.get("/images/order").text


def test_what_a_scan_found_is_shown_with_the_promotion(client: FlaskClient, source: Source) -> None:
    scanned = replace(source.git.entries[0], trailers=source.git.entries[0].trailers | {"Lockstep-Scan": "order=Low"})
    source.git = replace(source.git, entries=(scanned, *source.git.entries[1:]))

    assert "scan found Low" in shown(client, "/images/order")
    assert "漏洞扫描结果 Low" in client.get("/images/order?lang=zh").text
    assert "scan found: order Low" in shown(client, "/promotions")
    arrivals = json(client, "/api/v1/images/order")["images"][0]["arrivals"]
    assert [(each["overlay"], each["scan"]) for each in arrivals] == [("dev", ""), ("test", "Low")]
    assert json(client, "/api/v1/promotions")["timeline"][0]["scans"] == {"order": "Low"}


# -- all of them


def test_pages_and_twins_show_the_same_values(client: FlaskClient, source: Source) -> None:
    assert json(client, "/api/v1/promotions") == json_format.plain(promotions_now(source))
    assert json(client, "/api/v1/parity/dev/prod") == json_format.plain(
        parity.parity("dev", "prod", past.comparison("dev", "prod"))
    )
    assert json(client, "/api/v1/images/order") == json_format.plain(service_images.service("order", source))


def test_a_broken_contract_has_a_section_of_its_own(client: FlaskClient, source: Source) -> None:
    assert "It breaks the contract and is not synced" not in shown(client, "/overlays/test")
    status = replace(sample.dev(), warnings=("Deployment order /spec/x: prod has it too",))
    source.told = {**source.told, "dev": (status, ())}

    assert "let in. Deployment order /spec/x: prod has it too" in shown(client, "/overlays/dev")
    contract = json(client, "/api/v1/overlays/test/gallery")["contract"]
    assert contract["broken"].startswith("2 differences from base")
    assert "It breaks the contract and is not synced" in shown(client, "/overlays/test/gallery")


def test_counts_are_in_the_order_of_what_matters(client: FlaskClient) -> None:
    counts = json(client, "/api/v1/parity/dev/prod")["counts"]

    assert list(counts) == [DifferenceStatus.UNDECLARED, DifferenceStatus.PENDING, DifferenceStatus.DECLARED]
