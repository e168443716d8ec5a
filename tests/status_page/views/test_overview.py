"""The overview made from a state of the ledger."""

from dataclasses import replace

import pytest

from gitops.core.health import Health
from gitops.core.sync.status import Condition, Drift, Sync
from gitops.status_page.views.overview import (
    AttentionItem,
    Overview,
    ServiceCell,
    find_digest,
    show_controller,
    show_overview,
)
from gitops.status_page.views.tones import StatusTone
from tests.status_page import sample
from tests.status_page.sample import NOW, PIPELINE, ago


def said(entry: AttentionItem) -> str:
    return f"{entry.overlay}: {entry.word}, {entry.subject} {entry.message}".strip().splitlines()[0]


def cell(shown: Overview, service: str, environment: str) -> ServiceCell:
    column = [stage.stage.name for stage in shown.stages].index(environment)
    found = next(row.cells[column] for row in shown.rows if row.service == service)
    assert found is not None
    return found


def test_attention_lists_the_worst_first() -> None:
    shown = show_overview(sample.statuses(), PIPELINE)

    assert shown.tone is StatusTone.BAD
    assert [said(entry) for entry in shown.attention] == [
        "prod: Degraded, Deployment order 1 of 3 replicas available: CrashLoopBackOff in order-6c9f7d4b8-x2x9k",
        "test/gallery: Stalled, ContractViolated 2 differences from base that no variation declares:",
        "prod: Drifted, Deployment gateway /spec/template/spec/containers/app/env/DEBUG ← kubesphere-console (+1)",
        "test: Progressing, Deployment print-api 1 of 2 replicas updated",
    ]


def test_environments_stand_in_the_order_of_promotion_and_the_platform_has_no_column() -> None:
    shown = show_overview(sample.statuses(), PIPELINE)

    assert [stage.stage.name for stage in shown.stages] == ["dev", "test", "prod"]
    assert [card.overlay for card in shown.cards] == ["platform", "dev", "test", "test/gallery", "prod"]
    assert [row.service for row in shown.rows] == list(sample.SERVICES)


def test_cell_has_the_health_of_the_service_s_workload() -> None:
    shown = show_overview(sample.statuses(), PIPELINE)

    assert cell(shown, "order", "prod").health is Health.DEGRADED
    assert cell(shown, "gallery", "prod").health is Health.HEALTHY
    assert cell(shown, "gateway", "prod").sync is Sync.OUT_OF_SYNC


def test_cell_without_a_workload_has_the_overlay_s_health() -> None:
    status = replace(sample.prod(), objects=())
    found = cell(show_overview({"prod": (status, ())}, PIPELINE), "design", "prod")

    assert (found.health, found.own_health, found.since) == (Health.DEGRADED, False, None)


def test_cell_names_the_environment_that_it_differs_from() -> None:
    shown = show_overview(sample.statuses(), PIPELINE)

    assert cell(shown, "gallery", "test").differs == "dev"
    assert cell(shown, "gallery", "prod").differs == "test"
    assert cell(shown, "order", "prod").differs == "test"
    assert cell(shown, "order", "test").differs == ""
    assert cell(shown, "order", "dev").differs == ""


def test_cell_age_is_that_of_the_image_not_of_the_last_pass() -> None:
    shown = show_overview(sample.statuses(), PIPELINE)

    assert cell(shown, "order", "dev").since == ago(days=3, minutes=25)
    assert cell(shown, "gateway", "dev").since == ago(days=7, minutes=53)


def test_environment_without_a_status_has_no_health() -> None:
    dev = sample.dev()
    shown = show_overview({"dev": (dev, ())}, PIPELINE)

    assert [(stage.stage.name, stage.health) for stage in shown.stages] == [
        ("dev", Health.HEALTHY),
        ("test", None),
        ("prod", None),
    ]
    assert shown.tone is StatusTone.OK
    assert shown.attention == ()


def test_environments_come_from_the_ledger_without_a_pipeline() -> None:
    shown = show_overview(sample.statuses(), None)

    assert [stage.stage.name for stage in shown.stages] == ["dev", "prod", "test"]
    assert len(shown.rows) == len(sample.SERVICES)


def test_attention_for_drift_alone_is_a_warning() -> None:
    drifted = replace(sample.workload("tuling-dev", "order"), drift=(Drift("/spec/replicas", "hpa", "changed", NOW),))
    status = sample.with_objects(sample.dev(), drifted)
    shown = show_overview({"dev": (status, ())}, PIPELINE)

    assert (shown.tone, [entry.word for entry in shown.attention]) == (StatusTone.WARN, ["Drifted"])


def test_digest_is_found_in_the_overlays_that_run_it() -> None:
    digest = sample.image("order", sample.TAGS["order"]).digest or ""
    found = find_digest(sample.statuses(), digest)

    assert [(run.overlay, run.service, run.health) for run in found] == [
        ("dev", "order", Health.HEALTHY),
        ("test", "order", Health.HEALTHY),
    ]


def test_troubles_keep_no_credentials() -> None:
    own = replace(sample.CONTROLLER, repo="https://bot:hunter2@git.example/config")

    assert show_controller(own).repo == "https://***@git.example/config"


@pytest.mark.parametrize(
    ("reason", "tone"),
    [
        ("ImageMissing", StatusTone.BAD),
        ("ProvenImageMissing", StatusTone.WARN),
        ("RollbackImageMissing", StatusTone.WARN),
    ],
)
def test_attention_for_missing_images_though_all_is_healthy(reason: str, tone: StatusTone) -> None:
    gone = Condition("Pullable", status=False, reason=reason, message="dev: order 1 is no longer there", since=NOW)
    status = sample.dev()
    well = replace(status, conditions=(*status.conditions, replace(gone, status=True, reason="Pullable", message="")))
    assert not [each for each in show_overview({"dev": (well, ())}, None).attention if "Missing" in each.word]
    shown = show_overview({"dev": (replace(status, conditions=(*status.conditions, gone)), ())}, None)
    assert [(each.word, each.tone) for each in shown.attention if "Missing" in each.word] == [(reason, tone)]
    assert shown.cards[0].tone.rank >= tone.rank
