"""The cache of the rendered overview, which is used only while many deliveries are waiting."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from gitops.status_page.overview_cache import OverviewCache
from tests.worlds.clocks import Stopwatch, WorldClock


class Page:
    """Counts what it renders, and is the backlog of deliveries; `gate` holds it up."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch(0.0)
        self.waiting = 20
        self.rendered = 0
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()
        self.made = threading.Semaphore(0)
        self.client = Client(OverviewCache(self, self, WorldClock(monotonic=self.stopwatch)))

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        assert self.gate.wait(20)
        self.rendered += 1
        request = Request(environ)
        language = request.accept_languages.best or "en"
        answer = Response(f"{request.path} {language} {self.rendered}", self.status)
        answer.set_etag(str(self.rendered), weak=True)
        self.made.release()
        return answer.make_conditional(request)(environ, start_response)

    def look(self, path: str = "/", **headers: str) -> str:
        return self.client.get(path, headers=headers).text


@pytest.fixture
def page() -> Page:
    return Page()


def test_overview_is_rendered_for_each_request_without_load(page: Page) -> None:
    page.waiting = 19
    assert [page.look(), page.look()] == ["/ en 1", "/ en 2"]


def test_overview_is_shared_for_a_second_under_load(page: Page) -> None:
    assert [page.look(), page.look()] == ["/ en 1", "/ en 1"]
    page.waiting = 19
    assert page.look() == "/ en 1"
    page.stopwatch.seconds = 3.0
    assert page.look() == "/ en 2"


def test_overview_older_than_a_second_is_served_and_renewed_once(page: Page) -> None:
    page.look()
    assert page.made.acquire(timeout=20)
    page.stopwatch.seconds = 1.5
    page.gate.clear()
    assert [page.look() for _ in range(3)] == ["/ en 1"] * 3
    page.gate.set()
    assert page.made.acquire(timeout=20)
    seen = {page.look() for _ in range(1000)}
    assert page.rendered == 2
    assert seen <= {"/ en 1", "/ en 2"}


def test_overview_that_is_too_old_is_waited_for(page: Page) -> None:
    page.look()
    page.stopwatch.seconds = 5.0
    assert page.look() == "/ en 2"


def test_overview_is_kept_by_language_and_other_pages_are_not(page: Page) -> None:
    assert page.look(**{"Accept-Language": "zh"}) == "/ zh 1"
    assert page.look(**{"Accept-Language": "en"}) == "/ en 2"
    assert page.look("/?lang=zh") == "/ en 3"
    assert [page.look("/promotions"), page.look("/promotions")] == ["/promotions en 4", "/promotions en 5"]


def test_overview_answers_304_from_the_cache(page: Page) -> None:
    page.look()
    again = page.client.get("/", headers={"If-None-Match": 'W/"1"'})
    assert (again.status_code, again.data) == (304, b"")
    assert page.client.get("/", headers={"If-None-Match": 'W/"0"'}).text == "/ en 1"
    assert page.rendered == 1


def test_overview_that_failed_is_not_kept(page: Page) -> None:
    page.status = 503
    assert page.client.get("/").status_code == 503
    page.status = 200
    assert page.client.get("/").status_code == 200


def test_overview_cache_is_bounded(page: Page) -> None:
    for number in range(50):
        page.look(f"/?n={number}")
    assert page.look("/?n=49") == "/ en 50"
    assert page.look("/?n=0") == "/ en 51"


def test_overview_cache_drops_the_one_that_was_not_read_for_longest(page: Page) -> None:
    for number in range(8):
        page.look(f"/?n={number}")
    assert page.look("/?n=0") == "/ en 1"
    page.look("/?n=8")
    assert page.look("/?n=0") == "/ en 1"
    assert page.look("/?n=1") == "/ en 10"
