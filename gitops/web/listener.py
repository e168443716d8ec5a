"""One TCP port, one WSGI application, one pool of threads: waitress, with the limits that it leaves to its user.

What waitress itself does not bound, and this does: the time that a request may take to arrive, drop by drop; the body
by path and sender instead of one cap for all; how many large bodies may be here at once; connections that sit idle
while new ones wait, also when the process may open no more files; threads that are only there while requests wait at
the same time; and a stop that lets requests in flight finish.

Deadlines: a request's clock starts when its first byte is read (`lockstep.arrived` in the WSGI environ). Before that
it may have waited in the kernel's accept queue, which waitress does not show; its event loop empties that queue
between requests in microseconds, since application code never runs in it.
"""

import copy
import errno
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from gitops.core.errors import Rejected
from gitops.web import fd_limit as descriptors
from gitops.web.worker_pool import Dispatcher
from webhooks.limits import Tally
from webhooks.receivers import ARRIVED

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
"""On every answer, also on those that no application sees."""

_log = structlog.get_logger(__name__)

BodyLimit = Callable[[str, Mapping[str, str]], int]
"""(path, headers in lower case) -> the most bytes of a body that are worth reading."""

_BACKLOG = 1024
_ACCEPTS_A_TURN = 16
_LONGEST_HEADER = 32 * 1024
_LONGEST_CHUNK_LINE = 1024
_BUFFERED_IN_MEMORY = 256 * 1024
_SMALL_BODY = 64 * 1024
_REASONS = {400: "BadRequest", 413: "TooLarge", 431: "HeadersTooLarge", 501: "NotImplemented", 503: "Busy"}


def no_body(_path: str, _headers: Mapping[str, str]) -> int:
    """The body limit of pages that are only read."""
    return 0


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """`threads` is how many requests may be worked on at once. Times are in seconds: `arrival` for a request to come
    in whole, `idle` for a connection without one. Beyond `connections`, or what the process may open if that is fewer,
    the one that idled longest is closed. Beyond `large` bodies of more than 64 KiB that arrive or are worked on, the
    next is answered 503 unread: whether its sender is authentic shows only when all of it is here.
    """

    threads: int = 8
    connections: int = 2048
    arrival: int = 10
    idle: int = 10
    large: int = 8
    body: BodyLimit = no_body


class Listener:
    """A server in a thread of its own. Address and limits are fixed; it is started once and stopped once."""

    def __init__(self, app: "WSGIApplication", host: str, port: int, limits: ListenerLimits | None = None) -> None:
        self._app = app
        self._wanted = (host, port)
        self._limits = limits or ListenerLimits()
        self._stop_by: float | None = None
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name=f"listener-{port}", daemon=True)

    def start(self) -> tuple[str, int]:
        """Returns the bound host and port (port 0 was any free one).

        Raises: Rejected(ListenFailed) when the address cannot be bound.
        """
        host, port = self._wanted
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise Rejected(
                "ListenFailed",
                f"cannot listen on {host}:{port} ({error}): stop what listens there, or set another address under "
                "`listen` in lockstep.yaml",
            ) from error
        self._server = _Server.on(listening, self._app, self._affordable())
        self._thread.start()
        return self._server.effective_host, int(self._server.effective_port)

    def _affordable(self) -> ListenerLimits:
        most = descriptors.connections()
        if most >= self._limits.connections:
            return self._limits
        _log.warning(
            "few connections: the limit of open files is low (ulimit -n, RLIMIT_NOFILE)",
            connections=most,
            wanted=self._limits.connections,
        )
        return replace(self._limits, connections=most)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self, within: float = 10.0) -> None:
        """Takes no connection from now on, and returns when the requests in flight are answered or `within` seconds
        have passed. Harmless before start and when called again.
        """
        if self._server is None or not self._thread.is_alive():
            return
        self._stop_by = time.monotonic() + within
        self._server.pull_trigger()
        self._thread.join(within + 5)

    def _run(self) -> None:
        server = self._server
        if server is None:
            return
        while self._stop_by is None:
            server.turn(1.0)
        server.refuse_connections()
        while server.is_busy() and time.monotonic() < self._stop_by:
            server.turn(0.05)
        server.close_down()


def _adjustments(limits: ListenerLimits) -> Adjustments:
    settings: Any = {
        "backlog": _BACKLOG,
        "threads": limits.threads,
        "connection_limit": limits.connections + 8,
        "channel_timeout": limits.idle,
        "cleanup_interval": 1,
        "max_request_header_size": _LONGEST_HEADER,
        "inbuf_overflow": _BUFFERED_IN_MEMORY,
        "asyncore_use_poll": True,  # select() ends at file descriptor 1024
        "log_socket_errors": False,  # a client that hangs up is no news
        "ident": None,
    }
    return Adjustments(**settings)


class _Busy(Error):
    code = 503
    reason = "Service Unavailable"


class _Parser(HTTPRequestParser):
    """One request as it arrives. `has_room` says whether one more large body may."""

    def __init__(self, adj: Adjustments, limit: BodyLimit, has_room: Callable[[], bool]) -> None:
        super().__init__(adj)
        self.started = time.monotonic()
        self.is_large = False
        self._limit = limit
        self._has_room = has_room

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is None:
            return
        headers = {key.lower().replace("_", "-"): value for key, value in self.headers.items()}
        path: Any = self.path  # type: ignore[attr-defined]  # the stubs do not know it
        self.adj = copy.copy(self.adj)
        self.adj.max_request_body_size = self._limit(path, headers) + 1

    def received(self, data: bytes) -> int:
        consumed = super().received(data)
        if not self.is_large and max(self.content_length, self.body_bytes_received) > _SMALL_BODY:
            self.is_large = True  # a chunked body shows only as it comes
            if self.error is None and not self._has_room():
                self.error = _Busy("too many large bodies arrive at once: send it again later")
                self.completed = True
        if self.chunked and not self.completed and self._lingers():
            # waitress copies the whole unfinished line for each piece of it that arrives
            self.error = BadRequest("a chunk's header or the trailer is too long")
            self.completed = True
        return consumed

    def _lingers(self) -> bool:
        receiver: Any = self.body_rcv
        return len(receiver.control_line) > _LONGEST_CHUNK_LINE or len(receiver.trailer) > _LONGEST_HEADER


class _Task(WSGITask):
    def get_environment(self) -> "WSGIEnvironment":
        environ = super().get_environment()
        request: Any = self.request
        environ[ARRIVED] = request.started
        return environ


class _ErrorTask(ErrorTask):
    """An answer to what is not a request, without the server's name and with the headers of all other answers."""

    def execute(self) -> None:
        error: Any = self.request.error  # type: ignore[attr-defined]  # the request, by its stub an Error
        self.status = f"{error.code} {error.reason}"
        content = {"error": {"reason": _REASONS.get(error.code, "InternalError"), "message": str(error.body)}}
        body = json.dumps(content).encode("ascii")
        headers = {"Content-Type": "application/json"} | SECURITY_HEADERS
        self.response_headers = [*self.response_headers, *headers.items()]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """One connection."""

    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(self, server: "_Server", sock: Any, addr: Any, adj: Adjustments, map: Any = None) -> None:  # noqa: A002
        super().__init__(server, sock, addr, adj, map=map)
        parser: Any = lambda adjustments: _Parser(adjustments, server.limits.body, server.has_room)  # noqa: E731
        self.parser_class = parser

    def is_idle(self) -> bool:
        """No request is being worked on, arriving or being answered."""
        return not self.requests and self.request is None and not self.total_outbufs_len

    def holds_large(self) -> int:
        """How many large bodies arrive or are worked on."""
        found = [each for each in (*self.requests, self.request) if isinstance(each, _Parser)]
        return sum(each.is_large and each.error is None for each in found)

    def is_late(self, now: float, arrival: float) -> bool:
        """A request has been arriving for too long. Bytes that keep coming are no excuse."""
        return isinstance(self.request, _Parser) and now - self.request.started > arrival


class _Server(TcpWSGIServer):
    """The listening socket and its connections."""

    limits: ListenerLimits
    waking: threading.Lock
    is_closed: bool
    is_expected: bool
    skips_turn: bool
    tally: Tally
    # set by waitress, unknown to its stubs
    effective_host: str
    effective_port: str
    _map: Any

    @classmethod
    def on(cls, listening: socket.socket, app: "WSGIApplication", limits: ListenerLimits) -> "_Server":
        settings: Any = {
            "dispatcher": Dispatcher(limits.threads, limits.idle),
            "adj": _adjustments(limits),
            "_sock": listening,
            "bind_socket": False,
            "sockinfo": (listening.family, listening.type, listening.proto, listening.getsockname()),
        }
        server = cls(app, **settings)
        server.limits = limits
        server.waking = threading.Lock()
        server.is_closed = False
        server.is_expected = server.skips_turn = False
        server.tally = Tally(time.monotonic)
        server.channel_class = _Channel
        return server

    @property
    def _channels(self) -> list[_Channel]:
        channels: Any = self.active_channels
        return list(channels.values())

    def has_room(self) -> bool:
        """Whether the large body that has just been announced, which is counted already, may come."""
        return sum(channel.holds_large() for channel in self._channels) <= self.limits.large

    def turn(self, timeout: float) -> None:
        """One round of the event loop."""
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)

    def handle_accept(self) -> None:
        """Several a turn: a turn looks at every connection, and waitress takes only one."""
        for taken in range(_ACCEPTS_A_TURN):
            self.is_expected = taken == 0
            before = self._connections
            super().handle_accept()
            if self._connections == before:
                break
            if self._connections > self.limits.connections:
                self._close_longest_idle()

    def accept(self) -> Any:
        """A connection that cannot be opened stays readable, and without a pause the loop would spin. The one that is
        closed for it has its turn first; where none can be closed, the next look is when anything else happens. Whether
        somebody waits is known of the first of a turn only: without a free file the kernel does not say.
        """
        try:
            return super().accept()
        except OSError as error:
            if self.is_expected and error.errno in {errno.EMFILE, errno.ENFILE}:
                self._close_longest_idle()
                self.skips_turn = True
                if count := self.tally.due("full"):
                    _log.warning("no connection can be taken: too many open files (ulimit -n)", count=count)
            raise

    def readable(self) -> bool:
        is_ready, skipped = super().readable(), self.skips_turn
        self.skips_turn = False
        return is_ready and not skipped

    @property
    def _connections(self) -> int:
        channels: Any = self.active_channels
        return len(channels)

    def _close_longest_idle(self) -> None:
        idle = [channel for channel in self._channels if not channel.requests and not channel.will_close]
        if idle:
            min(idle, key=lambda channel: channel.last_activity).will_close = True

    def maintenance(self, now: Any) -> None:
        super().maintenance(now)
        monotonic = time.monotonic()
        for channel in self._channels:
            if channel.is_late(monotonic, self.limits.arrival):
                channel.will_close = True
        dispatcher: Any = self.task_dispatcher
        dispatcher.let_go(monotonic)

    def refuse_connections(self) -> None:
        wasyncore.dispatcher.close(self)

    def is_busy(self) -> bool:
        """Closes what idles, and says whether anything else is left."""
        channels = self._channels
        for channel in channels:
            if channel.is_idle():
                channel.will_close = True
        return any(not channel.is_idle() for channel in channels)

    def pull_trigger(self) -> None:
        """Wakes the loop. Once that is gone its pipe's descriptor may be another file's: a late answer must not write
        there.
        """
        with self.waking:
            if not self.is_closed:
                super().pull_trigger()

    def close_down(self) -> None:
        self.task_dispatcher.shutdown(timeout=1)
        with self.waking:
            self.is_closed = True
        wasyncore.close_all(self._map, ignore_all=True)
