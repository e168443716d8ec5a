"""The overview while senders storm in. Rendering it takes some 40 ms of computing, and in a storm a page waits for each
of its turns; so whoever looks meanwhile sees it as it was a moment ago, at once.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_FRESH = 1.0
"""Seconds. An older one is shown, and made anew behind it."""
_OLDEST = 5.0
"""Seconds. An older one is not shown: who comes first waits."""
_LINGERS = 3.0
"""Seconds that a storm counts on after it was last seen: it comes in gusts."""
_MOST = 8
"""Languages and modes that are kept."""

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    """`at` in the clock's seconds."""

    at: float
    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class OverviewCache:
    """A WSGI application around the page's. Thread-safe. `clock` is monotonic seconds; when `is_busy` has said no for
    some seconds, every look is answered by the page itself.
    """

    def __init__(self, app: "WSGIApplication", is_busy: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._app = app
        self._is_busy = is_busy
        self._clock = clock
        self._busy_until = clock()
        self._lock = threading.Lock()
        self._kept: dict[_Key, _Kept] = {}
        self._renewed: set[_Key] = set()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET" or environ["PATH_INFO"] != "/" or not self._is_storming():
            return self._app(environ, start_response)
        key = (environ.get("QUERY_STRING", ""), environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        kept = self._kept.get(key)
        age = self._clock() - kept.at if kept else _OLDEST
        if kept is None or age >= _OLDEST:
            kept = self._made(key, _asked_anew(environ))
        elif age >= _FRESH:
            self._renew(key, _asked_anew(environ))
        answer = Response(kept.body, kept.status, list(kept.headers))
        return answer.make_conditional(environ)(environ, start_response)

    def _is_storming(self) -> bool:
        now = self._clock()
        if self._is_busy():
            self._busy_until = now + _LINGERS
        return now < self._busy_until

    def _made(self, key: _Key, environ: "WSGIEnvironment") -> _Kept:
        began = self._clock()
        answer = Response.from_app(self._app, environ, buffered=True)
        made = _Kept(began, answer.status, tuple(answer.headers), answer.get_data())
        if answer.status_code == 200:
            with self._lock:
                if len(self._kept) >= _MOST and key not in self._kept:
                    self._kept.clear()
                self._kept[key] = made
        return made

    def _renew(self, key: _Key, environ: "WSGIEnvironment") -> None:
        """By a thread of its own, one at a time."""
        with self._lock:
            if key in self._renewed:
                return
            self._renewed.add(key)
        threading.Thread(target=self._renew_now, args=(key, environ), name="snapshot", daemon=True).start()

    def _renew_now(self, key: _Key, environ: "WSGIEnvironment") -> None:
        try:
            self._made(key, environ)
        finally:
            with self._lock:
                self._renewed.discard(key)


def _asked_anew(environ: "WSGIEnvironment") -> "WSGIEnvironment":
    """The same question by nobody: without a body, and wanting the whole page."""
    asked = {name: value for name, value in environ.items() if name != "HTTP_IF_NONE_MATCH"}
    return asked | {"wsgi.input": BytesIO()}
