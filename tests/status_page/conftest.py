"""The page in the real application with its real headers, over a StatusSource whose answers a test sets."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, sync_playwright

from gitops.status_page import PageInputs, blueprint
from gitops.web.apps import create_page_app
from gitops.web.listener import Listener
from tests.status_page import past
from tests.status_page.sample import NOW, Source
from tests.worlds.clocks import WorldClock
from tests.worlds.webhooks import FixedProbes

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def source() -> Source:
    return Source(git=past.past(), compare=past.comparison)


@pytest.fixture
def client(source: Source) -> FlaskClient:
    page = blueprint(PageInputs(source, WorldClock(lambda: NOW)))
    return create_page_app(page, FixedProbes()).test_client()


@pytest.fixture
def address(source: Source) -> Iterator[str]:
    """The page behind the listener that serves it in production."""
    page = blueprint(PageInputs(source, WorldClock(lambda: NOW)))
    listener = Listener(create_page_app(page, FixedProbes()), "127.0.0.1", 0)
    host, port = listener.start()
    yield f"http://{host}:{port}"
    listener.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=list(_QUIET))
        yield browser
        browser.close()


def _chromium() -> str:
    """Debian's Chromium, installed if the tests run as root. Playwright's own download is not used."""
    found = _installed()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], check=True, stdout=subprocess.DEVNULL, timeout=600)
        found = _installed()
    if found is None:
        pytest.fail("the browser tests need Chromium: install it (Debian: apt-get install chromium) and run them again")
    return found


def _installed() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
