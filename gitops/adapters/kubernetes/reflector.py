"""Follows one collection of an API server: LIST, then WATCH from there, for as long as it runs.

The rules are client-go's (tools/cache/reflector.go) and those of
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes:
- a watch that ends goes on from the last resourceVersion seen, bookmarks included, so nothing in between is missed;
- 410, in the answer or as an ERROR event, means that this history is gone: LIST again and compare;
- every failure is waited out with backoff and jitter, for ever.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog
from urllib3.response import HTTPResponse

from gitops.adapters.kubernetes import errors as kubernetes_errors
from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.adapters.kubernetes.errors import ApiFailure
from gitops.core.errors import Conflict, GitopsError, Unavailable
from gitops.core.objects import Body

_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_PAGE = 250
_WATCH_SECONDS = (240, 300)  # how long the server is asked to keep a watch open
_SILENCE_SECONDS = 15.0  # how much longer than that we listen before we call the connection dead
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_LONG_ENOUGH = 5.0  # a watch that lived that long was none of a series of failures

Seen = TypeVar("Seen")

_random = random.SystemRandom()
_log = structlog.get_logger(__name__)


class WatchSink(Protocol[Seen]):
    """Where a reflector puts what it sees. Called from its thread only."""

    def reduce(self, body: Body) -> Seen:
        """What is kept of a body. apiVersion and kind may be missing, or be those of a PartialObjectMetadata."""

    def replaced(self, everything: Sequence[Seen], position: str) -> None:
        """A list: what is not in it was gone at this resourceVersion."""

    def changed(self, seen: Seen) -> None: ...

    def deleted(self, seen: Seen) -> None:
        """Gone, or no longer selected: its last state, with the resourceVersion of the removal."""

    def moved(self, position: str) -> None:
        """All that happened up to this resourceVersion has been told."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects, and how much of each: `whole` bodies, else metadata only. `name` is for logs and the page."""

    name: str
    path: str
    labels: str
    whole: bool = False
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class WatchState:
    """`synced_since`: the picture has been whole and live since then. Else `failing_since`, and why."""

    synced_since: datetime | None = None
    failing_since: datetime | None = None
    error: GitopsError | None = None


class Reflector(Generic[Seen]):
    """One thread, from start() to ask_to_stop(). `clock` (aware, UTC) is for `condition` only."""

    def __init__(
        self, api: KubernetesApi, selection: Selection, sink: WatchSink[Seen], *, clock: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._selection = selection
        self._sink = sink
        self._clock = clock
        self._position = ""
        self._stopping = threading.Event()
        self._news = threading.Condition()
        self._condition = WatchState()
        self._open: HTTPResponse | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {selection.name}", daemon=True)

    @property
    def condition(self) -> WatchState:
        return self._condition

    def start(self) -> None:
        self._thread.start()

    def await_list(self, seconds: float) -> None:
        """Returns when a list has arrived. Raises what hinders it, or Unavailable(Timeout)."""
        with self._news:
            self._news.wait_for(lambda: self._condition != WatchState(), seconds)
            found = self._condition
        if found.error is not None:
            raise found.error
        if found.synced_since is None:
            raise Unavailable("Timeout", f"{self._selection.name}: the first list did not arrive in {seconds:.0f} s")

    def ask_to_stop(self) -> None:
        """Ends the thread soon: at once when it listens, else when its present request is answered."""
        self._stopping.set()
        response = self._open
        if response is not None:
            with suppress(Exception):  # it may be closed by its reader at this very moment
                response.shutdown()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = _SHORTEST_PAUSE
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._follow()
            except Conflict as error:  # the history after our position is gone
                _log.info("watch starts over with a list", watch=self._selection.name, error=error.message)
                self._position = ""
            except GitopsError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - a watch that dies unseen leaves every pass with an old picture
                _log.exception("watch failed on what it was told", watch=self._selection.name)
                self._position = ""
                self._fail(Unavailable("WatchFailed", f"watch of {self._selection.name}: {type(error).__name__}"))
            lived = time.monotonic() - begun
            pause = _SHORTEST_PAUSE if lived > _LONG_ENOUGH else min(pause * 2, _LONGEST_PAUSE)
            self._stopping.wait(pause * _random.uniform(0.5, 1.0))

    def _follow(self) -> None:
        if not self._position:
            self._list()
            self._succeed()
        with self._api.stream(self._watch_request()) as response:
            self._open = response
            if self._stopping.is_set():  # asked to before there was anything to shut down
                return
            self._succeed()
            for line in _lines(response):
                self._take(json.loads(line))

    def _list(self) -> None:
        accept = "application/json" if self._selection.whole else _METADATA.format("List")
        everything: list[Seen] = []
        position = ""
        for page in self._api.items(self._request((), accept), page=_PAGE):
            everything.extend(map(self._sink.reduce, page["items"]))
            position = page["metadata"]["resourceVersion"]
        self._sink.replaced(everything, position)
        self._position = position

    def _take(self, event: Mapping[str, Any]) -> None:
        body = event["object"]
        if event["type"] == "ERROR":
            raise kubernetes_errors.translate(
                ApiFailure(int(body.get("code") or 500), json.dumps(body).encode(), f"watch of {self._selection.name}")
            )
        position = body["metadata"]["resourceVersion"]
        if event["type"] == "DELETED":
            self._sink.deleted(self._sink.reduce(body))
        elif event["type"] != "BOOKMARK":
            self._sink.changed(self._sink.reduce(body))
        self._sink.moved(position)
        self._position = position

    def _watch_request(self) -> ApiRequest:
        seconds = _random.randint(*_WATCH_SECONDS)
        query = (
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
            ("resourceVersion", self._position),
        )
        accept = "application/json" if self._selection.whole else _METADATA.format("")
        return self._request(query, accept, seconds + _SILENCE_SECONDS)

    def _request(self, query: tuple[tuple[str, str], ...], accept: str, seconds: float = 60.0) -> ApiRequest:
        return ApiRequest(
            "GET",
            self._selection.path,
            f"watch of {self._selection.name}",
            query=(("labelSelector", self._selection.labels), *query),
            accept=accept,
            confidential=self._selection.confidential,
            seconds=seconds,
        )

    def _succeed(self) -> None:
        if self._condition.synced_since is None:
            _log.debug("watch is synced", watch=self._selection.name)
            self._tell(WatchState(synced_since=self._clock()))

    def _fail(self, error: GitopsError) -> None:
        if self._stopping.is_set():
            return
        since = self._condition.failing_since
        if since is None:
            _log.warning("watch is interrupted", watch=self._selection.name, reason=error.reason, error=error.message)
        self._tell(WatchState(failing_since=since or self._clock(), error=error))

    def _tell(self, condition: WatchState) -> None:
        with self._news:
            self._condition = condition
            self._news.notify_all()


def _lines(response: HTTPResponse) -> Iterator[bytes]:
    """One event a line: as soon as it is there, never waiting for more."""
    rest = b""
    while piece := response.read1(decode_content=True):
        *lines, rest = (rest + piece).split(b"\n")
        yield from filter(None, lines)
