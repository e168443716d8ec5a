"""Connections whose answers have to be over in time.

A socket's timeout begins anew with each byte that comes, so a server that drips its headers holds a thread for as long
as it likes. Here the time that is left for an answer when it is waited for counts for all of it, headers and body.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class _Ending(io.RawIOBase):
    """What comes over a socket until its timeout, as it is now, is over."""

    def __init__(self, over: socket.socket) -> None:
        self._socket = over
        self._stream = over.makefile("rb", buffering=0)
        left = over.gettimeout()
        self._ends = None if left is None else time.monotonic() + left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._ends is not None:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError("the time for the answer is over")
            self._socket.settimeout(left)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Source:
    """What http.client wants of a socket, whose file it reads answers from."""

    def __init__(self, over: socket.socket) -> None:
        self._socket = over

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_Ending(self._socket))


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(_Source(sock), *arguments, **named)  # type: ignore[arg-type]


class _Http(HTTPConnection):
    response_class = _Response


class _Https(HTTPSConnection):
    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class Pools(PoolManager):
    """A PoolManager whose read timeout bounds the whole answer."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
