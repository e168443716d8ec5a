"""Sends requests to one registry, bounded in time, in size, and in the hosts that they may reach.

A registry may refer its client to another host: to a token server, or to the storage of its blobs. Such a reference is
followed only if lockstep.yaml names the host, over https, and without the registry's credentials. Only a token server
gets the credentials (https://distribution.github.io/distribution/spec/auth/token/).
"""

import base64
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from gitops.adapters.registry.answers import RegistryAnswers
from gitops.adapters.registry.bounded_http import BoundedPools
from gitops.adapters.registry.exchange import RegistryAccess, RegistryCall, RegistryResponse
from gitops.core.errors import Rejected

_CONNECT_SECONDS = 5.0
_LARGEST_ANSWER = 16 * 1024 * 1024
_CHUNK = 64 * 1024
_MOST_REDIRECTS = 3
_CONNECTIONS = 8
_PORTS = {"http": 80, "https": 443}


class RegistryHttp:
    """Thread-safe. Raises Unavailable if no answer arrives in time, and Rejected for an answer beyond a limit."""

    def __init__(self, access: RegistryAccess, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.access = access
        self.answers = RegistryAnswers(access)
        self._base = access.url.rstrip("/") + "/"
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._pool: PoolManager | None = None

    def basic_header(self) -> Mapping[str, str]:
        """The Authorization header of the present credentials; empty without credentials."""
        found = self.access.credentials()
        if found is None:
            return {}
        pair = ":".join(found).encode("utf-8", "surrogateescape")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def send(self, call: RegistryCall) -> RegistryResponse:
        """Sends a call to the registry itself. It returns a redirect as any other answer."""
        url = _join(self._base, call.url)
        if not self._is_own(url):
            raise self.answers.bad_answer(call, "refers to another host for its next page")
        return self._exchange(call, url, call.headers)

    def follow(self, call: RegistryCall) -> RegistryResponse:
        """Sends a call and follows redirects: to allowed hosts only, and without credentials."""
        answer = self.send(call)
        url = _join(self._base, call.url)
        for _ in range(_MOST_REDIRECTS):
            if answer.status not in {301, 302, 303, 307, 308}:
                return answer
            url = _join(url, answer.headers.get("location", ""))
            self.require_allowed(call.about, url)
            is_own = self._is_own(url)
            kept = {name: value for name, value in call.headers.items() if is_own or name != "Authorization"}
            answer = self._exchange(call, url, kept)
        raise self.answers.bad_answer(call, f"is redirected more than {_MOST_REDIRECTS} times")

    def send_elsewhere(self, call: RegistryCall) -> RegistryResponse:
        """Sends a call to another host that the registry named. Raises as require_allowed does."""
        self.require_allowed(call.about, call.url)
        return self._exchange(call, call.url, call.headers)

    def require_allowed(self, about: str, url: str) -> None:
        """Raises: Rejected(HostNotAllowed) unless the URL is the registry's own or an https host of `other_hosts`."""
        origin = _origin(url)
        allowed = {_origin(f"https://{other}") for other in self.access.other_hosts}
        if origin is None or not (self._is_own(url) or origin in allowed):
            target = f"{origin[0]}://{origin[1][:200]}:{origin[2]}" if origin else "a URL that it may not use"
            raise Rejected(
                "HostNotAllowed",
                f"{self.access.host}: {about}: the registry refers to {target}, which is not followed; if that is "
                f"right, add it to registries.{self.access.host}.otherHosts of lockstep.yaml (https only)",
            )

    def _is_own(self, url: str) -> bool:
        origin = _origin(url)
        return origin is not None and origin == _origin(self._base)

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
            raise self.answers.too_slow(call) from None
        except (HTTPError, OSError) as error:
            raise self.answers.unreachable(call, error) from None
        received = {name.lower(): value for name, value in response.headers.items()}
        return RegistryResponse(response.status, received, body, headers.get("Authorization", ""))

    def _read(self, call: RegistryCall, response: BaseHTTPResponse, ends: float) -> bytes:
        """Reads the whole body. Raises: Rejected(BadAnswer) if it is too large, Unavailable(Timeout)."""
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > _LARGEST_ANSWER:
                response.close()
                raise self.answers.bad_answer(call, f"is larger than {_LARGEST_ANSWER // 1024**2} MiB")
            if self._monotonic() > ends:
                response.close()
                raise self.answers.too_slow(call)
        return bytes(body)

    def _current_pool(self) -> PoolManager:
        """The connection pool; a new one after ca_file was replaced."""
        ca_file = self.access.ca_file
        stamp = None
        if ca_file is not None:
            stat = ca_file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
        with self._lock:
            if self._pool is None or stamp != self._stamp:
                timeout = Timeout(connect=min(_CONNECT_SECONDS, self.access.seconds), total=self.access.seconds)
                self._pool = BoundedPools(
                    num_pools=4,
                    maxsize=_CONNECTIONS,
                    timeout=timeout,
                    cert_reqs="CERT_REQUIRED",
                    ca_certs=str(ca_file) if ca_file else None,
                )
                self._stamp = stamp
            return self._pool


def _join(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL. None for an invalid URL or one with a user name; None equals no other origin."""
    try:
        found = urlsplit(url)
        port = _PORTS[found.scheme] if found.port is None else found.port
    except (ValueError, KeyError):
        return None
    if "@" in found.netloc or not found.hostname or not port:
        return None
    return found.scheme, found.hostname.lower(), port
