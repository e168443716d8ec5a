"""The parity pages: the kinds of differences, pending comparisons, bounds."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gitops.core.contract.parity import DifferenceStatus, ParityComparison
from gitops.status_page.views import parity
from tests.status_page import past
from tests.status_page.reading import json, visible_text
from tests.status_page.sample import BEHIND, TAGS, Source, ago


def test_parity_page_lists_undeclared_first_with_object_field_and_values(client: FlaskClient) -> None:
    text = visible_text(client, "/parity/dev/prod")

    assert "They differ in undeclared ways" in text
    assert "undeclared 2 pending 1 declared 3" in text
    assert text.index("No variation declares these") < text.index("The next promotion") < text.index("A variation in")
    assert "Deployment order /spec/template/spec/containers/app/env/LOG_LEVEL/value info debug" in text
    assert "ConfigMap leftover the whole object absent present" in text
    assert "1f2e3d4 order: retry when the printer is busy" in text
    assert "Deployment order /spec/replicas 1 3 replicas" in text


def test_parity_page_shows_a_pending_difference_before_and_after(client: FlaskClient) -> None:
    text = visible_text(client, "/parity/dev/prod")

    assert text.index("prod now") < text.index(BEHIND["order"]) < text.index(TAGS["order"])


def test_parity_page_masks_secrets_even_if_the_comparison_does_not(client: FlaskClient, source: Source) -> None:
    leaky = tuple(replace(each, a="b2xk", b="bmV3") if each.key.kind == "Secret" else each for each in past.findings())
    found = past.between("dev", "prod")
    leaking = replace(found, pairs=(replace(found.pairs[0], findings=leaky),))
    source.compare = lambda _a, _b: ParityComparison(leaking, is_current=True)

    for path in ("/parity/dev/prod", "/api/v1/parity/dev/prod"):
        text = client.get(path).text
        assert "/data/password" in text
        assert not [leaked for leaked in ("b2xk", "bmV3", "8m2t6b4k9c") if leaked in text]


def test_parity_page_shows_the_reason_when_a_pair_cannot_be_compared(client: FlaskClient) -> None:
    assert "test/gallery has no counterpart" in visible_text(client, "/parity/dev/test")
    assert "undeclared 1" in visible_text(client, "/parity/dev/test")
    assert "MissingFile: environments/prod: there is no kustomization.yaml" in visible_text(client, "/parity/test/prod")
    assert json(client, "/api/v1/parity/test/prod")["equal"] is False


@pytest.mark.parametrize(
    ("found", "state", "said"),
    [
        (ParityComparison(asked_at=ago(seconds=7)), "working", "The comparison started 7 s ago"),
        (ParityComparison(), "waiting", "Other comparisons are queued first"),
        (ParityComparison(past.between("dev", "prod"), asked_at=ago(seconds=7)), "working", "The trunk has changed"),
    ],
)
def test_parity_page_shows_that_a_comparison_is_pending(
    client: FlaskClient, source: Source, found: ParityComparison, state: str, said: str
) -> None:
    source.compare = lambda _a, _b: found
    answer = client.get("/api/v1/parity/dev/prod")

    assert said in visible_text(client, "/parity/dev/prod")
    assert 'http-equiv="refresh"' in client.get("/parity/dev/prod").text
    assert (answer.status_code, answer.headers["Retry-After"], answer.get_json()["state"]) == (202, "2", state)


def test_parity_accepts_names_of_environments_only(client: FlaskClient, source: Source) -> None:
    for pair in ("dev/dev", "dev/n0pe", "platform/dev", "test%2Fgallery/prod", "dev%20prod/test"):
        assert client.get(f"/parity/{pair}").status_code == 404
    assert source.asked == []


def test_parity_list_compares_neighbours_only(client: FlaskClient, source: Source) -> None:
    text = visible_text(client, "/parity")

    assert source.asked == [("dev", "test"), ("test", "prod")]
    assert "dev and prod They differ in undeclared ways 2 undeclared 1 pending 3 declared" in text


def test_parity_page_is_bounded_for_a_thousand_differences(client: FlaskClient, source: Source) -> None:
    found = past.between("dev", "prod")
    many = replace(found, pairs=(replace(found.pairs[0], findings=past.findings() * 200),), left_out=10)
    source.compare = lambda _a, _b: ParityComparison(many, is_current=True)

    shown_all = len(past.findings()) * 200 - parity.MOST_FINDINGS + 10
    assert f"{shown_all} more differences are not listed" in visible_text(client, "/parity/dev/prod")


def test_parity_counts_begin_with_undeclared(client: FlaskClient) -> None:
    counts = json(client, "/api/v1/parity/dev/prod")["counts"]

    assert list(counts) == [DifferenceStatus.UNDECLARED, DifferenceStatus.PENDING, DifferenceStatus.DECLARED]
