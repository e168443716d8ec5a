"""One connection of a listener: how a request is read, and the answer to bytes that are no request.

waitress bounds neither the body by path and sender, nor the number of large bodies, nor unfinished chunk headers; the
parser here does. When a connection is closed is decided in listener.py.
"""

import copy
import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from webhooks.receivers import ARRIVED

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
"""Headers of every answer, also of those that no application makes."""

BodyLimit = Callable[[str, Mapping[str, str]], int]
"""(path, headers in lower case) -> the maximum size of the body in bytes."""

LONGEST_HEADER = 32 * 1024
_LONGEST_CHUNK_LINE = 1024
_SMALL_BODY = 64 * 1024
_REASONS = {400: "BadRequest", 413: "TooLarge", 431: "HeadersTooLarge", 501: "NotImplemented", 503: "Busy"}


def no_body(_path: str, _headers: Mapping[str, str]) -> int:
    """The body limit of an application that takes no bodies."""
    return 0


class _Busy(Error):
    code = 503
    reason = "Service Unavailable"


class RequestParser(HTTPRequestParser):
    """One request while it arrives. `has_room` returns whether one more large body may arrive."""

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
        if self.chunked and not self.completed and self._has_long_line():
            # waitress copies the whole unfinished line for each piece of it that arrives
            self.error = BadRequest("a chunk's header or the trailer is too long")
            self.completed = True
        return consumed

    def _has_long_line(self) -> bool:
        receiver: Any = self.body_rcv
        return len(receiver.control_line) > _LONGEST_CHUNK_LINE or len(receiver.trailer) > LONGEST_HEADER


class _Task(WSGITask):
    def get_environment(self) -> "WSGIEnvironment":
        environ = super().get_environment()
        request: Any = self.request
        environ[ARRIVED] = request.started
        return environ


class _ErrorTask(ErrorTask):
    """The answer to bytes that are no request: without the server's name, with the headers of all other answers."""

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


class Connection(HTTPChannel):
    """One connection. `server.make_parser` makes the parser of each request."""

    task_class = _Task
    error_task_class = _ErrorTask

    def __init__(self, server: Any, sock: Any, addr: Any, adj: Adjustments, map: Any = None) -> None:  # noqa: A002
        super().__init__(server, sock, addr, adj, map=map)
        self.parser_class = server.make_parser

    def is_idle(self) -> bool:
        """True if no request is arriving, running or being answered."""
        return not self.requests and self.request is None and not self.total_outbufs_len

    def holds_large(self) -> int:
        """The number of large bodies that are arriving or whose requests are running."""
        found = [each for each in (*self.requests, self.request) if isinstance(each, RequestParser)]
        return sum(each.is_large and each.error is None for each in found)

    def is_late(self, now: float, arrival: float) -> bool:
        """True if a request has been arriving for more than `arrival` seconds, even if bytes keep coming."""
        return isinstance(self.request, RequestParser) and now - self.request.started > arrival
