"""Follows one collection of an API server: one LIST, then WATCH from its resourceVersion, until it is stopped.

The rules are client-go's (tools/cache/reflector.go) and those of
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes:
- after a watch ends, the next one goes on from the last resourceVersion, bookmarks included, so no event is lost;
- 410, as a status or as an ERROR event, means that the history is gone: LIST again and compare;
- after every failure it waits with backoff and jitter, and tries again, for ever.
"""

import json
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog
from urllib3.response import HTTPResponse

from gitops.adapters.kubernetes import errors as kubernetes_errors
from gitops.adapters.kubernetes.api import ApiRequest, KubernetesApi
from gitops.adapters.kubernetes.errors import ApiFailure
from gitops.core import backoff
from gitops.core.errors import Conflict, GitopsError, Unavailable
from gitops.core.objects import Body
from gitops.ports import Clock

_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_PAGE = 250
_WATCH_SECONDS = (240, 300)  # the timeoutSeconds of a watch
_SILENCE_SECONDS = 15.0  # after that time the connection counts as dead
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_LONG_ENOUGH = 5.0  # a watch that lived that long ends a series of failures

WATCH_STATES = ("synced", "failing", "starting")

Seen = TypeVar("Seen")

_random = random.SystemRandom()
_log = structlog.get_logger(__name__)


class WatchSink(Protocol[Seen]):
    """Takes the objects of a reflector, called from its thread only."""

    def reduce(self, body: Body) -> Seen:
        """Extracts from a body what is kept. apiVersion and kind may be missing, or those of PartialObjectMetadata."""

    def replaced(self, everything: Sequence[Seen], position: str) -> None:
        """A list: an object that is not in it did not exist at this resourceVersion."""

    def changed(self, seen: Seen) -> None: ...

    def deleted(self, seen: Seen) -> None:
        """An object was deleted or lost the label: its last state, with the resourceVersion of the removal."""

    def moved(self, position: str) -> None:
        """Every event up to this resourceVersion has been delivered."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of a watch: `path` of the collection, label selector `labels`. `whole` bodies, else metadata only.
    `name` is for logs and the page, `confidential` for Secrets.
    """

    name: str
    path: str
    labels: str
    whole: bool = False
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class WatchState:
    """`synced_since`: all events have arrived since then. Else `failing_since` with the error; neither: no list yet."""

    synced_since: datetime | None = None
    failing_since: datetime | None = None
    error: GitopsError | None = None

    @property
    def name(self) -> str:
        """One of WATCH_STATES."""
        return "failing" if self.failing_since else "synced" if self.synced_since else "starting"


class Reflector(Generic[Seen]):
    """Runs one thread from start() to ask_to_stop()."""

    def __init__(self, api: KubernetesApi, selection: Selection, sink: WatchSink[Seen], *, clock: Clock) -> None:
        self._api = api
        self._selection = selection
        self._sink = sink
        self._clock = clock
        self._position = ""
        self._stopping = threading.Event()
        self._state_changed = threading.Condition()
        self._state = WatchState()
        self._open: HTTPResponse | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {selection.name}", daemon=True)

    @property
    def state(self) -> WatchState:
        return self._state

    def start(self) -> None:
        self._thread.start()

    def await_list(self, seconds: float) -> None:
        """Waits until the first list has arrived. Raises: the error of the watch, or Unavailable(Timeout)."""
        with self._state_changed:
            self._state_changed.wait_for(lambda: self._state != WatchState(), seconds)
            state = self._state
        if state.error is not None:
            raise state.error
        if state.synced_since is None:
            raise Unavailable("Timeout", f"{self._selection.name}: the first list did not arrive in {seconds:.0f} s")

    def ask_to_stop(self) -> None:
        """Asks the thread to end: it ends at once during a watch, else after the answer to its present request."""
        self._stopping.set()
        response = self._open
        if response is not None:
            with suppress(Exception):  # the thread may close it at the same moment
                response.shutdown()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        failures = 1
        while not self._stopping.is_set():
            begun = self._clock.monotonic()
            try:
                self._follow()
            except Conflict as error:  # the server no longer has the history since our position
                _log.info("watch starts over with a list", watch=self._selection.name, error=error.message)
                self._position = ""
            except GitopsError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - without its thread every pass would read old objects
                _log.exception("watch failed on an event", watch=self._selection.name)
                self._position = ""
                self._fail(Unavailable("WatchFailed", f"watch of {self._selection.name}: {type(error).__name__}"))
            lived = self._clock.monotonic() - begun
            failures = 1 if lived > _LONG_ENOUGH else failures + 1
            pause = backoff.pause(failures, first=_SHORTEST_PAUSE, longest=_LONGEST_PAUSE)
            self._stopping.wait(pause * _random.uniform(0.5, 1.0))

    def _follow(self) -> None:
        if not self._position:
            self._list()
            self._succeed()
        with self._api.stream(self._watch_request()) as response:
            self._open = response
            if self._stopping.is_set():  # ask_to_stop came before there was a response to shut down
                return
            self._succeed()
            for line in _lines(response):
                self._deliver(json.loads(line))

    def _list(self) -> None:
        accept = "application/json" if self._selection.whole else _METADATA.format("List")
        everything: list[Seen] = []
        position = ""
        for page in self._api.items(self._request((), accept), page=_PAGE):
            everything.extend(map(self._sink.reduce, page["items"]))
            position = page["metadata"]["resourceVersion"]
        self._sink.replaced(everything, position)
        self._position = position

    def _deliver(self, event: Mapping[str, Any]) -> None:
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
        if self._state.synced_since is None:
            _log.debug("watch is synced", watch=self._selection.name)
            self._set_state(WatchState(synced_since=self._clock.now()))

    def _fail(self, error: GitopsError) -> None:
        if self._stopping.is_set():
            return
        since = self._state.failing_since
        if since is None:
            _log.warning("watch is interrupted", watch=self._selection.name, reason=error.reason, error=error.message)
        self._set_state(WatchState(failing_since=since or self._clock.now(), error=error))

    def _set_state(self, state: WatchState) -> None:
        with self._state_changed:
            self._state = state
            self._state_changed.notify_all()


def _lines(response: HTTPResponse) -> Iterator[bytes]:
    """One event per line; each line is yielded as soon as it has arrived."""
    rest = b""
    while piece := response.read1(decode_content=True):
        *lines, rest = (rest + piece).split(b"\n")
        yield from filter(None, lines)
