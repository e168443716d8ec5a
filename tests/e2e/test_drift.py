"""Edits outside git: reverted where the environment heals drift, shown where it only reports drift."""

import threading
from typing import Any

from gitops.core.ownership.applyset import PART_OF_LABEL
from gitops.core.sync.status import Drift, Sync, SyncStatus
from tests.e2e import config_repo
from tests.e2e.console import Body
from tests.e2e.harness import World, message, reason


def _drifts(found: SyncStatus, name: str) -> list[Drift]:
    return [drift for each in found.objects if each.key.name == name for drift in each.drift]


def _colour(deployment: Body) -> str:
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return next(str(each["value"]) for each in env if each["name"] == "COLOUR")


def _container(**fields: Any) -> Body:
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", **fields}]}}}}


STRATEGIC = "application/strategic-merge-patch+json"


def test_drift_of_a_field_is_healed_and_its_manager_is_named(running: World) -> None:
    dev = running.names.dev
    running.console.patch("Deployment", dev, "shop", _container(env=[{"name": "COLOUR", "value": "red"}]), STRATEGIC)
    running.console.until_one("Deployment", dev, "shop", lambda found: _colour(found) == "blue")
    found = running.until_status(dev, lambda now: any(each.kind == "healed" for each in _drifts(now, "shop")))
    drift = next(each for each in _drifts(found, "shop") if each.kind == "healed")
    assert drift.manager == "kubectl-edit"
    assert drift.field == "/spec/template/spec/containers/app/env/COLOUR/value"
    running.until_status(dev, lambda now: reason(now) == "Synced")


def test_drift_by_deletion_is_healed(running: World) -> None:
    dev = running.names.dev
    before = running.console.read("Service", dev, "shop")
    assert before
    running.console.delete("Service", dev, "shop")
    running.console.until_one("Service", dev, "shop", lambda now: now["metadata"]["uid"] != before["metadata"]["uid"])
    running.until_status(dev, lambda now: reason(now) == "Synced")


def test_drift_of_lockstep_s_own_label_is_healed(running: World) -> None:
    """Without it the object would be invisible to the watch and to pruning."""
    dev = running.names.dev
    before = running.console.read("Service", dev, "shop")
    assert before
    ours = before["metadata"]["labels"][PART_OF_LABEL]
    running.console.patch("Service", dev, "shop", {"metadata": {"labels": {PART_OF_LABEL: None}}})
    healed = running.console.until_one(
        "Service", dev, "shop", lambda now: now["metadata"].get("labels", {}).get(PART_OF_LABEL) == ours
    )
    assert healed["metadata"]["uid"] == before["metadata"]["uid"]


def test_drift_by_an_added_variable_is_reported_by_name(running: World) -> None:
    """Server-side apply keeps fields that it does not manage; the status reports them."""
    dev = running.names.dev
    running.console.patch("Deployment", dev, "shop", _container(env=[{"name": "DEBUG", "value": "1"}]), STRATEGIC)
    found = running.until_status(dev, lambda now: any(each.kind == "foreign" for each in _drifts(now, "shop")))
    foreign = [each for each in _drifts(found, "shop") if each.kind == "foreign"]
    assert [(each.manager, each.field) for each in foreign] == [
        ("kubectl-edit", "/spec/template/spec/containers/app/env/DEBUG")
    ]
    gone = [{"name": "DEBUG", "$patch": "delete"}]
    running.console.patch("Deployment", dev, "shop", _container(env=gone), STRATEGIC)
    running.until_status(dev, lambda now: not any(each.kind == "foreign" for each in _drifts(now, "shop")))


def test_drift_is_kept_and_named_where_it_is_only_reported(running: World) -> None:
    split, overlay = running.names.split, f"{running.names.split}/till"
    running.console.patch("ConfigMap", split, "till", {"data": {"drawer": "open"}})
    found = running.until_status(overlay, lambda now: reason(now) == "Drifted")
    assert found.sync is Sync.OUT_OF_SYNC
    assert [(each.field, each.manager, each.kind) for each in _drifts(found, "till") if each.kind == "changed"] == [
        ("/data/drawer", "kubectl-edit", "changed")
    ]
    live = running.console.read("ConfigMap", split, "till")
    assert live
    assert live["data"] == {"drawer": "open"}


def test_drift_by_deletion_is_only_reported_too(running: World) -> None:
    split, overlay = running.names.split, f"{running.names.split}/desk"
    running.console.delete("Service", split, "desk")
    found = running.until_status(overlay, lambda now: now.sync is Sync.OUT_OF_SYNC)
    assert "desk" in message(found)
    assert running.console.read("Service", split, "desk") is None


def test_drift_that_was_only_reported_ends_with_a_new_revision(running: World) -> None:
    """A new revision is applied, whatever was edited before."""
    split, overlay = running.names.split, f"{running.names.split}/till"
    running.edit({f"environments/{split}/till/till.yaml": config_repo.config_map("till", drawer="locked")})
    running.console.until_one("ConfigMap", split, "till", lambda found: found["data"] == {"drawer": "locked"})
    running.until_status(overlay, lambda now: reason(now) == "Synced")


def test_drift_healed_again_and_again_backs_off(running: World) -> None:
    """Another manager reverts each heal at once. The controller slows down, and the status names the manager."""
    dev = running.names.dev
    before = len(running.proxy.traffic.passed())
    over = threading.Event()

    def fight() -> None:
        while not over.is_set():
            try:
                running.console.until_one(
                    "ConfigMap", dev, "anchor", lambda now: now["data"]["holds"] == "fast", seconds=2
                )
            except AssertionError:
                continue
            running.console.patch("ConfigMap", dev, "anchor", {"data": {"holds": "loose"}})

    fighter = threading.Thread(target=fight)
    fighter.start()
    try:
        found = running.until_status(dev, lambda now: "keeps changing it back" in message(now))
        assert "kubectl-edit" in message(found)
        over.wait(4)  # as long as it lasts, to see how many heals there are
    finally:
        over.set()
        fighter.join()
    heals = [each for each in running.proxy.traffic.writes(before) if each.is_("PATCH", ".*/configmaps/anchor")]
    assert 2 <= len(heals) <= 8, len(heals)
    running.until_status(dev, lambda now: reason(now) == "Synced", seconds=60)
