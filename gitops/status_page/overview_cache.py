"""Keeps the rendered overview for up to 5 s while many deliveries are waiting. Rendering takes about 40 ms of CPU time,
and under this load the rendering thread waits often for its turn; viewers get the kept overview at once instead.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from cachetools import LRUCache
from werkzeug.wrappers import Response

from gitops.ports import Backlog, Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MANY_WAITING = 20
"""So many deliveries wait only under load."""
_FRESH = 1.0
"""Seconds. An older overview is still served, and a thread renders a new one."""
_OLDEST = 5.0
"""Seconds. An older overview is not served: the first viewer waits for a new one."""
_CALM_AFTER = 3.0
"""Seconds without load before the cache is bypassed again: deliveries come in bursts."""
_MOST = 8
"""The number of overviews (by query and language) that are kept."""

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """One rendered overview; `at` is in monotonic seconds."""

    at: float
    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class OverviewCache:
    """A WSGI application around the page's. Thread-safe. `deliveries` are those that wait for their commit. When
    fewer than 20 have waited for 3 s, the page itself answers every request.
    """

    def __init__(self, app: "WSGIApplication", deliveries: Backlog, clock: Clock) -> None:
        self._app = app
        self._deliveries = deliveries
        self._clock = clock
        self._busy_until = clock.monotonic()
        self._lock = threading.Lock()
        self._kept: LRUCache[_Key, _Rendered] = LRUCache(_MOST)
        self._renewing: set[_Key] = set()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" or environ["PATH_INFO"] != "/" or not self._is_under_load():
            return self._app(environ, start_response)
        key = (environ.get("QUERY_STRING", ""), environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        with self._lock:
            kept = self._kept.get(key)
        age = self._clock.monotonic() - kept.at if kept else _OLDEST
        if kept is None or age >= _OLDEST:
            kept = self._render(key, _without_conditions(environ))
        elif age >= _FRESH:
            self._renew(key, _without_conditions(environ))
        answer = Response(kept.body, kept.status, list(kept.headers))
        return answer.make_conditional(environ)(environ, start_response)

    def _is_under_load(self) -> bool:
        now = self._clock.monotonic()
        if self._deliveries.waiting >= _MANY_WAITING:
            self._busy_until = now + _CALM_AFTER
        return now < self._busy_until

    def _render(self, key: _Key, environ: "WSGIEnvironment") -> _Rendered:
        began = self._clock.monotonic()
        answer = Response.from_app(self._app, environ, buffered=True)
        made = _Rendered(began, answer.status, tuple(answer.headers), answer.get_data())
        if answer.status_code == 200:
            with self._lock:
                self._kept[key] = made
        return made

    def _renew(self, key: _Key, environ: "WSGIEnvironment") -> None:
        """Renders in a thread of its own, one at a time for each key."""
        with self._lock:
            if key in self._renewing:
                return
            self._renewing.add(key)
        threading.Thread(target=self._renew_now, args=(key, environ), name="overview", daemon=True).start()

    def _renew_now(self, key: _Key, environ: "WSGIEnvironment") -> None:
        try:
            self._render(key, environ)
        finally:
            with self._lock:
                self._renewing.discard(key)


def _without_conditions(environ: "WSGIEnvironment") -> "WSGIEnvironment":
    """The same request without If-None-Match and without a body, so that the answer is the whole page."""
    whole = {name: value for name, value in environ.items() if name != "HTTP_IF_NONE_MATCH"}
    return whole | {"wsgi.input": BytesIO()}
