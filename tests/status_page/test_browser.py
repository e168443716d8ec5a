"""The page in a real browser with its real headers: it renders, updates itself, and works without scripts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gitops.core.contract.parity import ParityComparison
from gitops.core.errors import Unavailable
from gitops.core.health import Health
from gitops.core.image_updates.build_origin import BuildOrigin, SourcePush
from tests.status_page import past, sample
from tests.status_page.sample import NOW, Source

pytestmark = pytest.mark.timeout(900)  # the first test may have to install the browser

Open = Callable[..., Page]
ASK_NOW = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def console_errors() -> list[str]:
    """Errors and warnings of the browser's console, including CSP violations."""
    return []


@pytest.fixture
def visit(browser: Browser, address: str, console_errors: list[str]) -> Iterator[Open]:
    contexts = []

    def go(path: str, **options: Any) -> Page:
        contexts.append(browser.new_context(locale="en-GB", **options))
        page = contexts[-1].new_page()
        page.on("console", lambda said: console_errors.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        page.goto(address + path)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/overlays/prod",
        "/overlays/test/gallery",
        "/?kiosk=1&lang=zh",
        "/promotions",
        "/images/order",
        "/parity/dev/prod",
    ],
)
def test_page_renders_and_goes_live_without_console_errors(visit: Open, console_errors: list[str], path: str) -> None:
    page = visit(path)

    expect(page.locator("#live.on")).to_be_visible()
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.summary')).borderLeftWidth") == "5px"
    assert console_errors == []


@pytest.mark.parametrize(
    "path",
    ["/", "/overlays/prod", "/overlays/test/gallery", "/promotions", "/images/order", "/parity", "/parity/dev/prod"],
)
def test_page_fits_a_phone_without_horizontal_scrolling(visit: Open, path: str) -> None:
    page = visit(path, viewport={"width": 360, "height": 740})

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_page_is_not_widened_by_long_words_from_outside(visit: Open, source: Source) -> None:
    image = source.ledger["dev"][0].images["order"]
    source.origins[image.digest or ""] = BuildOrigin("a" * 40, f"https://git.example/{'y' * 280}", "z" * 100)
    source.pushes["order"] = (SourcePush("b" * 40, f"refs/heads/{'x' * 240}", NOW),)
    page = visit("/images/order", viewport={"width": 360, "height": 740})

    expect(page.locator("#pushes")).to_contain_text("x" * 240)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_page_shows_a_change_without_a_reload_and_keeps_details_open(
    visit: Open, source: Source, console_errors: list[str]
) -> None:
    page = visit("/overlays/prod", viewport={"width": 1200, "height": 500})
    details = page.locator("#objects details").first
    details.locator("summary").click()
    page.evaluate("window.untouched = true; window.scrollTo(0, 400)")

    healed = sample.with_objects(replace(sample.prod(), health=Health.HEALTHY), sample.workload("tuling-prod", "order"))
    source.ledger = {**source.ledger, "prod": (healed, sample.history(healed))}
    page.evaluate(ASK_NOW)

    expect(page.locator("#summary .badges")).to_contain_text("Healthy")
    expect(page.locator("#summary .badges")).not_to_contain_text("Degraded")
    assert page.evaluate("window.untouched")
    assert details.evaluate("found => found.open")
    assert details.evaluate("found => found.contains(document.activeElement)")
    assert page.evaluate("scrollY") == 400
    assert console_errors == []


def test_page_shows_a_pending_comparison_when_it_is_ready(visit: Open, source: Source) -> None:
    source.compare = lambda _a, _b: ParityComparison(asked_at=sample.NOW)
    page = visit("/parity/dev/prod")
    expect(page.locator("#summary")).to_contain_text("The comparison started")

    source.compare = past.comparison
    page.evaluate(ASK_NOW)
    expect(page.locator("#summary")).to_contain_text("differ in undeclared ways")
    expect(page.locator(".findings tbody tr")).to_have_count(len(past.findings()))


def test_page_warns_while_the_controller_does_not_answer(visit: Open, source: Source) -> None:
    page = visit("/")
    expect(page.locator("#live.on")).to_be_visible()

    source.error = Unavailable("ClusterUnavailable", "the API server does not answer")
    page.evaluate(ASK_NOW)
    expect(page.get_by_role("alert")).to_contain_text("may be out of date")
    expect(page.locator(".matrix")).to_be_visible()

    source.error = None
    page.evaluate(ASK_NOW)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_page_is_complete_without_scripts(visit: Open) -> None:
    page = visit("/", java_script_enabled=False)

    expect(page.locator(".matrix tbody tr")).to_have_count(len(sample.SERVICES))
    expect(page.locator("#live")).to_have_text("As of 2026-03-05 09:30:00 UTC")
    expect(page.locator(".attention")).to_contain_text("1 of 3 replicas available")
    page.get_by_role("link", name="prod").first.click()
    expect(page.locator("h1")).to_have_text("prod")
    page.locator("#objects summary").first.click()
    expect(page.locator("#objects .changes").first).to_be_visible()


def test_page_follows_the_browser_s_language(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(address)

    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("h1")).to_have_text("有问题需要处理")
    expect(page.locator("#live.on")).to_have_text("实时")
    context.close()
