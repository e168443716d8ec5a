"""One TCP port, one WSGI application, one pool of threads: waitress, with the limits that it leaves to its user.

This module bounds what waitress does not: the time in which a request may arrive, drop by drop; the body by path and
sender instead of one cap for all; the number of large bodies at a time; idle connections while new ones wait, also when
the process may open no more files; the number of threads; and the stop, which lets requests in flight finish.

Deadlines: a request's clock starts when its first byte is read (`lockstep.arrived` in the WSGI environ). Before that it
may have waited in the kernel's accept queue, which waitress does not show. The event loop empties that queue between
requests in microseconds, because application code never runs in it. connection.py reads the requests.
"""

import errno
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from gitops.core.errors import Rejected
from gitops.runtime.clock import SystemClock
from gitops.web import fd_limit as descriptors
from gitops.web.connection import LONGEST_HEADER, BodyLimit, Connection, RequestParser, no_body
from gitops.web.worker_pool import Dispatcher
from webhooks.limits import Tally

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = structlog.get_logger(__name__)

_BACKLOG = 1024
_ACCEPTS_A_TURN = 16
_BUFFERED_IN_MEMORY = 256 * 1024


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """`threads`: requests that may run at the same time. Times are in seconds: `arrival` for a request to arrive whole,
    `idle` for a connection without a request. Beyond `connections`, or the number that the process may open if that is
    smaller, the longest idle connection is closed. Beyond `large` bodies of more than 64 KiB that arrive or run, the
    next one is answered 503 unread: a signature can be verified only when the whole body is read.
    """

    threads: int = 8
    connections: int = 2048
    arrival: int = 10
    idle: int = 10
    large: int = 8
    body: BodyLimit = no_body


class Listener:
    """A server in its own thread, with a fixed address and fixed limits. It is started once and stopped once."""

    def __init__(self, app: "WSGIApplication", host: str, port: int, limits: ListenerLimits | None = None) -> None:
        self._app = app
        self._wanted = (host, port)
        self._limits = limits or ListenerLimits()
        self._stop_by: float | None = None
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name=f"listener-{port}", daemon=True)

    def start(self) -> tuple[str, int]:
        """Binds the address and returns host and port (port 0 takes any free one).

        Raises: Rejected(ListenFailed) if the address cannot be bound.
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
        self._server = _Server.on(listening, self._app, self._fit_to_open_files())
        self._thread.start()
        return self._server.effective_host, int(self._server.effective_port)

    def _fit_to_open_files(self) -> ListenerLimits:
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
        """Refuses new connections. Returns when the requests in flight are answered or `within` seconds have passed.
        Harmless before start and when called again.
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
        "max_request_header_size": LONGEST_HEADER,
        "inbuf_overflow": _BUFFERED_IN_MEMORY,
        "asyncore_use_poll": True,  # select() ends at file descriptor 1024
        "log_socket_errors": False,  # a client that hangs up is no news
        "ident": None,
    }
    return Adjustments(**settings)


class _Server(TcpWSGIServer):
    """The listening socket and its connections."""

    limits: ListenerLimits
    waking: threading.Lock
    is_closed: bool
    is_expected: bool
    skips_turn: bool
    tally: Tally
    make_parser: Callable[[Adjustments], RequestParser]
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
        server.tally = Tally(SystemClock())
        server.channel_class = Connection
        server.make_parser = lambda adjustments: RequestParser(adjustments, limits.body, server.has_room)
        return server

    @property
    def _channels(self) -> list[Connection]:
        channels: Any = self.active_channels
        return list(channels.values())

    def has_room(self) -> bool:
        """True if the large body that was just announced, and is counted already, may arrive."""
        return sum(channel.holds_large() for channel in self._channels) <= self.limits.large

    def turn(self, timeout: float) -> None:
        """One round of the event loop."""
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)

    def handle_accept(self) -> None:
        """Accepts several connections per turn: a turn looks at every connection, and waitress accepts only one."""
        for taken in range(_ACCEPTS_A_TURN):
            self.is_expected = taken == 0
            before = self._connections
            super().handle_accept()
            if self._connections == before:
                break
            if self._connections > self.limits.connections:
                self._close_longest_idle()

    def accept(self) -> Any:
        """Accepts one connection. If no file is free, closes the longest idle connection and skips a turn: the socket
        stays readable, so without a pause the loop would spin. If none can be closed, the loop looks again at the next
        event. Only the first accept of a turn knows that a connection waits; the kernel says nothing without a free
        file.
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
        """Closes idle connections; True if others are left."""
        channels = self._channels
        for channel in channels:
            if channel.is_idle():
                channel.will_close = True
        return any(not channel.is_idle() for channel in channels)

    def pull_trigger(self) -> None:
        """Wakes the loop. After the loop has ended, the descriptor of its pipe may belong to another file, so a late
        answer must not write to it.
        """
        with self.waking:
            if not self.is_closed:
                super().pull_trigger()

    def close_down(self) -> None:
        self.task_dispatcher.shutdown(timeout=1)
        with self.waking:
            self.is_closed = True
        wasyncore.close_all(self._map, ignore_all=True)
