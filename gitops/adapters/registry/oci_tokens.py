"""Authentication at an OCI registry: Basic, or a token that a token server issues for one repository.

https://distribution.github.io/distribution/spec/auth/token/
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from cachetools import LRUCache

from gitops.adapters.registry.exchange import RegistryCall, RegistryResponse
from gitops.adapters.registry.http import RegistryHttp

_CHALLENGE = re.compile(r'([a-z]{1,20})="([^"]{0,1000})"', re.IGNORECASE)
_SHORTEST_TOKEN = 60.0
_MOST_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class _Token:
    """`ends` is in seconds of the monotonic clock."""

    value: str
    ends: float


class OciTokens:
    """Sends requests with the authentication that the registry asks for. Thread-safe. It keeps one token per repository
    for as long as the token lasts.
    """

    def __init__(self, http: RegistryHttp, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tokens: LRUCache[str, _Token] = LRUCache(_MOST_TOKENS)
        self._wants_basic = False

    def send(self, repository: str, call: RegistryCall) -> RegistryResponse:
        """Sends a call; after a 401 it authenticates as the challenge says, and sends the call once more."""
        answer = self._http.follow(replace(call, headers={**call.headers, **self._authorization(repository)}))
        if answer.status != 401:
            return answer
        fresh = self._authenticate(repository, call, answer.headers.get("www-authenticate", ""))
        if not fresh:
            return answer
        again = self._http.follow(replace(call, headers={**call.headers, **fresh}))
        has_token = fresh.get("Authorization", "").startswith("Bearer ")
        # The token server knew the user, so a 401 with a token means that the user may not read this repository.
        return replace(again, status=403) if has_token and again.status == 401 else again

    def _authorization(self, repository: str) -> Mapping[str, str]:
        with self._lock:
            token = self._tokens.get(repository)
        if token is not None and token.ends > self._monotonic():
            return {"Authorization": f"Bearer {token.value}"}
        return self._http.basic_header() if self._wants_basic else {}

    def _authenticate(self, repository: str, call: RegistryCall, challenge: str) -> Mapping[str, str]:
        """The header for a WWW-Authenticate challenge; empty for an unknown scheme."""
        scheme, _, parameters = challenge.partition(" ")
        if scheme.lower() == "bearer":
            found = {key.lower(): value for key, value in _CHALLENGE.findall(parameters)}
            token = self._request_token(repository, call, found)
            with self._lock:
                self._tokens[repository] = token
            return {"Authorization": f"Bearer {token.value}"}
        if scheme.lower() == "basic":
            self._wants_basic = True
            return self._http.basic_header()
        return {}

    def _request_token(self, repository: str, call: RegistryCall, challenge: Mapping[str, str]) -> _Token:
        """Asks the token server for pull access to this repository only, whatever scope the challenge names."""
        query = {"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull"}
        realm = challenge.get("realm", "")
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        request = RegistryCall(f"token for {call.about}", url, headers=self._http.basic_header())
        answer = self._http.send_elsewhere(request)
        if answer.status != 200:
            raise self._http.answers.translate(request, answer)
        parsed = self._http.answers.parse_json(request, answer)
        content: Mapping[str, Any] = parsed if isinstance(parsed, dict) else {}
        value, lifetime = content.get("token") or content.get("access_token"), content.get("expires_in")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise self._http.answers.bad_answer(request, "holds no token")
        seconds = float(lifetime) if isinstance(lifetime, int) and 0 < lifetime < 86_400 else _SHORTEST_TOKEN
        return _Token(value, self._monotonic() + max(seconds, _SHORTEST_TOKEN) * 0.8)
