"""HTTP connections whose timeout bounds the whole answer, headers and body.

The timeout of a plain socket begins anew with each byte, so a server that sends its headers slowly could hold a thread
without end.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class _BoundedStream(io.RawIOBase):
    """The bytes of a socket, until the timeout that the socket has now is over."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._stream = connected.makefile("rb", buffering=0)
        seconds = connected.gettimeout()
        self._ends = None if seconds is None else time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._ends is not None:
            remaining = self._ends - time.monotonic()
            if remaining <= 0:
                raise TimeoutError("the time for the answer is over")
            self._socket.settimeout(remaining)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _BoundedSocket:
    """The one method of a socket that http.client needs to read an answer."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_BoundedStream(self._socket))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(_BoundedSocket(sock), *arguments, **named)  # type: ignore[arg-type]


class _Http(HTTPConnection):
    response_class = _Response


class _Https(HTTPSConnection):
    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class BoundedPools(PoolManager):
    """A PoolManager whose read timeout bounds the whole answer."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
