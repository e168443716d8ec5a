"""One registry's HTTP API, spoken to within limits: time, size, and whom to speak to.

A registry may send its client elsewhere: to a token server, to the storage of its blobs. What it says is not trusted
with that. Another host is spoken to only if lockstep.yaml names it, over https, and never with the credentials of the
registry unless it is asked for a token with them (https://distribution.github.io/distribution/spec/auth/token/).
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from gitops.adapters.registry import bounded_http
from gitops.core.errors import GitopsError, Rejected, Unavailable

_CONNECT_SECONDS = 5.0
_LARGEST_ANSWER = 16 * 1024 * 1024
_PIECE = 64 * 1024
_MOST_REDIRECTS = 3
_CONNECTIONS = 8
_LONGEST_WORDS = 300
_PORTS = {"http": 80, "https": 443}

RegistryCredentials = Callable[[], tuple[str, str] | None]
"""User name and password as they are now; None for a registry that anybody may read."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """`host` is how the manifests call the registry, `url` where its API is. `other_hosts`: host[:port] of what it may
    refer to. `seconds` bounds each request as a whole.
    """

    host: str
    url: str
    credentials: RegistryCredentials = lambda: None
    ca_file: Path | None = None
    seconds: float = 10.0
    other_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RegistryResponse:
    """Whatever its status is. Names of headers are in lower case. `authorization`: what was sent to get it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RegistryCall:
    """`about` names what is asked for, for people. `url` may be relative to the registry's."""

    about: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


class RegistryHttp:
    """Thread-safe. Raises Unavailable when there is no answer in time, and Rejected when it goes beyond a limit."""

    def __init__(self, access: RegistryAccess, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.access = access
        self._base = access.url.rstrip("/") + "/"
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._pool: PoolManager | None = None

    def basic(self) -> Mapping[str, str]:
        """The header that the credentials of now make; none without credentials."""
        found = self.access.credentials()
        if found is None:
            return {}
        pair = ":".join(found).encode("utf-8", "surrogateescape")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def send(self, call: RegistryCall) -> RegistryResponse:
        """To the registry itself. A redirect is an answer like every other."""
        url = _joined(self._base, call.url)
        if not self._is_own(url):
            raise Rejected("BadAnswer", f"{self._said(call)} refers to another host for its next page")
        return self._exchange(call, url, call.headers)

    def follow(self, call: RegistryCall) -> RegistryResponse:
        """The same, and where the registry redirects to, without credentials, only to hosts that are allowed."""
        answer = self.send(call)
        url = _joined(self._base, call.url)
        for _ in range(_MOST_REDIRECTS):
            if answer.status not in {301, 302, 303, 307, 308}:
                return answer
            url = _joined(url, answer.headers.get("location", ""))
            self.require_allowed(call.about, url)
            own = self._is_own(url)
            kept = {name: value for name, value in call.headers.items() if own or name != "Authorization"}
            answer = self._exchange(call, url, kept)
        raise Rejected("BadAnswer", f"{self._said(call)} is redirected more than {_MOST_REDIRECTS} times")

    def elsewhere(self, call: RegistryCall) -> RegistryResponse:
        """To another host that the registry named, if that is allowed."""
        self.require_allowed(call.about, call.url)
        return self._exchange(call, call.url, call.headers)

    def require_allowed(self, about: str, url: str) -> None:
        """Raises: Rejected(HostNotAllowed) for what is neither the registry nor named in lockstep.yaml with https."""
        place = _place(url)
        named = {_place(f"https://{other}") for other in self.access.other_hosts}
        if place is None or not (self._is_own(url) or place in named):
            shown = f"{place[0]}://{place[1][:200]}:{place[2]}" if place else "what is no URL that it may use"
            raise Rejected(
                "HostNotAllowed",
                f"{self.access.host}: {about}: the registry refers to {shown}, which is not followed; if that is "
                f"right, add it to registries.{self.access.host}.otherHosts of lockstep.yaml (https only)",
            )

    def json(self, call: RegistryCall, answer: RegistryResponse) -> Any:
        """Raises: Rejected(BadAnswer) when that is no JSON."""
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise self.bad_answer(call, "is not JSON; is that the registry's URL?") from None

    def bad_answer(self, call: RegistryCall, why: str) -> Rejected:
        return Rejected("BadAnswer", f"{self._said(call)} {why}")

    def failure(self, call: RegistryCall, answer: RegistryResponse) -> GitopsError:
        """What an answer that is no success means."""
        about, status = f"{self.access.host}: {call.about}", answer.status
        words = self._harmless(_words(answer.body), answer)
        if status == 401:
            return Rejected("Unauthorized", f"{about}: the registry takes no such user name and password{words}")
        if status == 403:
            return Rejected("Forbidden", f"{about}: the registry's user may not read that{words}")
        if status == 404:
            return Rejected("NotFound", f"{about}: not there{words}")
        if status == 429 or status >= 500:
            reason = "TooManyRequests" if status == 429 else "RegistryFailed"
            return Unavailable(reason, f"{about}: HTTP {status}{words}", retry_after=_retry_after(answer))
        hint = "; it redirects: is that the registry's URL?" if 300 <= status < 400 else ""
        return Rejected("BadAnswer", f"{about}: HTTP {status}{words}{hint}")

    def _harmless(self, words: str, answer: RegistryResponse) -> str:
        """Without what a registry repeats of our credentials: what it says is shown to everybody."""
        secrets = [answer.authorization.rpartition(" ")[2], *(self.access.credentials() or ())[1:]]
        for secret in filter(None, secrets):
            words = words.replace(secret, "***")
        return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…)"

    def _is_own(self, url: str) -> bool:
        place = _place(url)
        return place is not None and place == _place(self._base)

    def _said(self, call: RegistryCall) -> str:
        return f"{self.access.host}: {call.about}: the answer"

    def _exchange(self, call: RegistryCall, url: str, headers: Mapping[str, str]) -> RegistryResponse:
        ends = self._monotonic() + self.access.seconds
        sent = {"User-Agent": "lockstep", "Accept-Encoding": "identity", **headers}
        try:
            response = self._current_pool().request(
                call.method, url, headers=sent, redirect=False, retries=False, preload_content=False
            )
            try:
                body = self._read(call, response, ends)
            finally:
                response.release_conn()
        except ReadTimeoutError:
            raise self._too_slow(call) from None
        except (HTTPError, OSError) as error:
            raise self._unreachable(call, error) from None
        said = {name.lower(): value for name, value in response.headers.items()}
        return RegistryResponse(response.status, said, body, headers.get("Authorization", ""))

    def _read(self, call: RegistryCall, response: BaseHTTPResponse, ends: float) -> bytes:
        """All of it, unless it is too large or does not come to an end in time."""
        found = bytearray()
        while piece := response.read1(_PIECE):
            found += piece
            if len(found) > _LARGEST_ANSWER:
                response.close()
                raise Rejected("BadAnswer", f"{self._said(call)} is larger than {_LARGEST_ANSWER // 1024**2} MiB")
            if self._monotonic() > ends:
                response.close()
                raise self._too_slow(call)
        return bytes(found)

    def _too_slow(self, call: RegistryCall) -> Unavailable:
        return Unavailable("Timeout", f"{self._said(call)} took longer than {self.access.seconds:g} s")

    def _unreachable(self, call: RegistryCall, error: Exception) -> Unavailable:
        """The library's words hold the URL with its query, and no header: nothing secret, but too much."""
        kind = type(getattr(error, "reason", None) or error).__name__
        hint = "; does caFile name the authority that signed its certificate?" if "SSL" in kind else ""
        return Unavailable(
            "RegistryUnreachable", f"{self.access.host}: {call.about}: no answer from {self._base} ({kind}){hint}"
        )

    def _current_pool(self) -> PoolManager:
        """Made anew when the authority's certificate was replaced."""
        ca_file = self.access.ca_file
        stamp = None
        if ca_file is not None:
            stat = ca_file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
        with self._lock:
            if self._pool is None or stamp != self._stamp:
                timeout = Timeout(connect=min(_CONNECT_SECONDS, self.access.seconds), total=self.access.seconds)
                self._pool = bounded_http.Pools(
                    num_pools=4,
                    maxsize=_CONNECTIONS,
                    timeout=timeout,
                    cert_reqs="CERT_REQUIRED",
                    ca_certs=str(ca_file) if ca_file else None,
                )
                self._stamp = stamp
            return self._pool


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _place(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None, which is no place and like no other, of a URL that holds a user name or is none."""
    try:
        found = urlsplit(url)
        port = _PORTS[found.scheme] if found.port is None else found.port
    except (ValueError, KeyError):
        return None
    if "@" in found.netloc or not found.hostname or not port:
        return None
    return found.scheme, found.hostname.lower(), port


def _words(body: bytes) -> str:
    """What the registry says, on one line."""
    try:
        errors = json.loads(body)["errors"]
        said = "; ".join(str(each.get("message") or each.get("code")) for each in errors[:3])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in said)
    return f" ({printable})" if printable.strip() else ""


def _retry_after(answer: RegistryResponse) -> float | None:
    try:
        return min(max(0.0, float(answer.headers["retry-after"])), 3600.0)
    except (KeyError, ValueError):  # RFC 9110 also allows a date; the backoff will do
        return None
