"""The section `environments` of pipeline.yaml: values that it refuses, and defaults."""

from datetime import timedelta

import pytest

from gitops.core.config_repo import pipeline
from gitops.core.config_repo.environments import (
    Approvals,
    DriftPolicy,
    Environment,
    ForeignFieldPolicy,
    PromotePolicy,
    ScanPolicy,
    SyncMode,
)
from gitops.core.errors import Rejected
from gitops.core.images.registry_facts import ScanSeverity


def parse(prod: str) -> pipeline.Pipeline:
    """A pipeline with an environment prod, written as a flow mapping."""
    text = f"environments:\n  dev: {{namespace: shop-dev, images: newest}}\n  prod: {{namespace: shop-prod, {prod}}}\n"
    return pipeline.parse(text.encode(), "p.yaml")


def message(prod: str) -> str:
    with pytest.raises(Rejected) as caught:
        parse(prod)
    return str(caught.value)


@pytest.mark.parametrize(
    "window", ["{cron: '0 10 * *', duration: 1h}", "{cron: '* * * * *', duration: 1h, timezone: X/Y}"]
)
def test_environment_windows_need_five_cron_fields_and_a_known_time_zone(window: str) -> None:
    assert "windows.allow.0" in message(f"after: dev, promote: {{when: requested, windows: {{allow: [{window}]}}}}")


def test_environment_defaults() -> None:
    found = Environment(namespace="shop-prod")
    assert (found.drift, found.sync.mode, found.sync.prune.enabled, found.sync.prune.budget, found.sync.adopt) == (
        DriftPolicy.HEAL,
        SyncMode.APPLY,
        True,
        10,
        (),
    )
    assert (found.after, found.images, found.promote, found.context, found.sync.foreign) == (None,) * 5


def test_promote_policy_defaults() -> None:
    found = PromotePolicy(when="proven")
    assert (found.soak, found.scan, found.approvals, found.rollback, found.settings) == (
        timedelta(0),
        None,
        Approvals(count=0),
        None,
        None,
    )
    assert (found.windows.allow, found.windows.deny) == ((), ())


@pytest.mark.parametrize(
    ("prod", "expected"),
    [
        ("promote: {when: proven}", "promote needs `after`"),
        ("images: newest, after: dev", "images: newest needs an environment without `after`"),
        ("drift: ignore", "`environments.prod.drift` must be"),
        ("sync: {mode: dry-run}", "`environments.prod.sync.mode` must be"),
        ("sync: {prune: {budget: -1}}", "`environments.prod.sync.prune.budget`"),
        ("sync: {adopt: [spinnaker]}", "`environments.prod.sync.adopt.0` must be"),
        ("sync: {allow: {cluster: [namespace]}}", "must be a kind, such as Namespace"),
        ("after: dev, promote: {when: proven, approvals: {count: 21}}", "approvals.count"),
        ("prefix: Prod_", "must be part of a name"),
    ],
)
def test_environment_errors(prod: str, expected: str) -> None:
    assert expected in message(prod)


@pytest.mark.parametrize(("word", "limit"), [("None", ScanSeverity.NONE), ("Critical", ScanSeverity.CRITICAL)])
def test_scan_policy_limit(word: str, limit: ScanSeverity) -> None:
    assert ScanPolicy.model_validate({"max": word}).limit is limit


@pytest.mark.parametrize(
    ("environment", "prod", "policy"),
    [
        ("dev", "after: dev", ForeignFieldPolicy.REPORT),
        ("prod", "after: dev", ForeignFieldPolicy.REMOVE),
        ("prod", "after: dev, sync: {foreign: report}", ForeignFieldPolicy.REPORT),
    ],
)
def test_foreign_field_policy(environment: str, prod: str, policy: ForeignFieldPolicy) -> None:
    assert parse(prod).foreign(environment) is policy
