"""Parity of two environments: (status, field, value of A, value of B, rule)."""

from datetime import UTC, datetime

import pytest

from gitops.core.contract import parity
from gitops.core.contract.parity import DifferenceStatus, EnvironmentPair, ParityFinding, ParitySide
from gitops.core.objects import Key
from tests.worlds.surveys import bodies, config, contract

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = contract("[{name: level, field: /data/LEVEL}, {preset: standard, name: standard}]")
STRICT = contract("[{name: level, field: /data/LEVEL}, {name: file, field: /data/app.yml/x, format: yaml}]")
Row = tuple[str, str, str | None, str | None, str]


def compared(dev: str, prod: str, ahead: str | None = None) -> list[Row]:
    """`ahead`: prod after a promotion from dev; None = it waits for nothing."""
    a, b, after = (
        ParitySide(name, bodies(text, f"shop-{name}"))
        for name, text in (("dev", dev), ("prod", prod), ("prod", prod if ahead is None else ahead))
    )
    found = parity.compare_environments(a, b, after, STRICT)
    return [(str(each.status), each.field, each.a, each.b, each.rule) for each in found]


@pytest.mark.parametrize(
    ("dev", "prod", "ahead", "expected"),
    [
        (config(A="x"), config(A="x"), None, []),
        (config(A="x-dev"), config(A="x-prod"), None, []),
        (config(LEVEL="debug"), config(LEVEL="info"), None, [("declared", "/data/LEVEL", "debug", "info", "level")]),
        (config(A="x"), config(A="y"), None, [("undeclared", "/data/A", "x", "y", "")]),
        (config(A="new"), config(A="old"), config(A="new"), [("pending", "/data/A", "new", "old", "")]),
        (
            config(A="new", B="x"),
            config(A="old", B="y"),
            config(A="new", B="y"),
            [("undeclared", "/data/B", "x", "y", ""), ("pending", "/data/A", "new", "old", "")],
        ),
        (config() + config("extra"), config(), None, [("undeclared", "", "present", None, "")]),
        (
            config(),
            config(),
            config() + config("extra"),
            [("undeclared", "", None, "present", ""), ("pending", "", "present", None, "")],
        ),
    ],
)
def test_parity_is_declared_pending_or_undeclared(dev: str, prod: str, ahead: str | None, expected: list[Row]) -> None:
    assert compared(dev, prod, ahead) == expected


FINDING = ParityFinding(DifferenceStatus.DECLARED, Key("", "ConfigMap", "", "a"), "/data/A", "x" * 3000, None, "r")
UNDECLARED = ParityFinding(DifferenceStatus.UNDECLARED, Key("", "ConfigMap", "", "b"), "/data/B", "x", "y")


def test_summary_keeps_undeclared_findings_first_and_counts_all() -> None:
    pairs = [EnvironmentPair("dev", "prod", (FINDING, FINDING)), EnvironmentPair("dev/a", "prod/a", (UNDECLARED,))]
    found = parity.summarize("head", NOW, pairs, 2)
    assert [len(pair.findings) for pair in found.pairs] == [1, 1]
    assert found.counts == {DifferenceStatus.DECLARED: 2, DifferenceStatus.PENDING: 0, DifferenceStatus.UNDECLARED: 1}
    assert found.left_out == 1
    assert len(found.pairs[0].findings[0].a or "") == 2000


def test_summary_counts_what_cannot_be_compared_as_undeclared() -> None:
    found = parity.summarize("head", NOW, [EnvironmentPair("dev", "prod", trouble="why")], 9)
    assert found.counts[DifferenceStatus.UNDECLARED] == 1
    failed = parity.summarize_failure("head", NOW, "why")
    assert (failed.trouble, failed.counts[DifferenceStatus.UNDECLARED]) == ("why", 1)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (EnvironmentPair("dev", "prod", (FINDING,)), True),
        (EnvironmentPair("dev", "prod", (FINDING, UNDECLARED)), False),
        (EnvironmentPair("dev", "prod", trouble="why"), False),
    ],
)
def test_pair_is_equal_if_every_difference_is_declared_or_pending(pair: EnvironmentPair, *, expected: bool) -> None:
    assert pair.is_equal is expected
