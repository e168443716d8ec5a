"""The page of one overlay: its contract and its exceptions."""

from dataclasses import replace

from flask.testing import FlaskClient

from tests.status_page import sample
from tests.status_page.reading import json, visible_text
from tests.status_page.sample import Source


def test_overlay_page_shows_the_exceptions_of_its_release(client: FlaskClient, source: Source) -> None:
    assert "This release runs with exceptions" not in visible_text(client, "/overlays/dev")
    assert "This release runs with exceptions" in visible_text(client, "/overlays/prod")
    assert "rolled back to 1179" in visible_text(client, "/overlays/prod")

    status = replace(sample.dev(), waived=("adoption", "soak: two: words"))
    source.ledger = {**source.ledger, "dev": (status, ())}
    assert "Waived: all gates adoption Waived: soak two: words" in visible_text(client, "/overlays/dev")
    assert json(client, "/api/v1/overlays/dev")["contract"]["waived"] == {"": "adoption", "soak": "two: words"}


def test_overlay_page_has_a_section_for_contract_violations(client: FlaskClient, source: Source) -> None:
    assert "This overlay violates the contract and is not synced" not in visible_text(client, "/overlays/test")
    status = replace(sample.dev(), warnings=("Deployment order /spec/x: prod has it too",))
    source.ledger = {**source.ledger, "dev": (status, ())}

    assert "but is still synced. Deployment order /spec/x: prod has it too" in visible_text(client, "/overlays/dev")
    contract = json(client, "/api/v1/overlays/test/gallery")["contract"]
    assert contract["broken"].startswith("2 differences from base")
    assert "This overlay violates the contract and is not synced" in visible_text(client, "/overlays/test/gallery")
