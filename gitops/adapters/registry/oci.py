"""ports.Registry over the OCI distribution API, which every registry speaks. It tells neither push times nor scans.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
https://distribution.github.io/distribution/spec/auth/token/
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from gitops.adapters.registry.http import RegistryAccess, RegistryCall, RegistryHttp, RegistryResponse
from gitops.core.errors import Rejected
from gitops.core.images.reference import is_digest, is_name, is_tag
from gitops.core.images.registry_facts import ImageDescription, Scan, TaggedImage

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_ACCEPT = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
_PAGE = 1000
_MOST_PAGES = 50
_MOST_TAGS = _PAGE * _MOST_PAGES
_NEXT = re.compile(r'<([^>]{1,2000})>\s*;\s*rel="?next"?')
_CHALLENGE = re.compile(r'([a-z]{1,20})="([^"]{0,1000})"', re.IGNORECASE)
_SHORTEST_TOKEN = 60.0
_MOST_TOKENS = 10_000
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
_MOST_LABELS = 200
_LONGEST_LABEL = 2000


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    ends: float


class OciRegistry:
    """Thread-safe. Tokens are kept for as long as the registry says, per repository."""

    def __init__(self, access: RegistryAccess, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = RegistryHttp(access, monotonic=monotonic)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tokens: dict[str, _Token] = {}
        self._wants_basic = False

    # -- ports.Registry

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:  # noqa: ARG002 - no push times here
        repository = _repository(image)
        names: dict[str, None] = {}
        for page in self._pages(repository):  # a page may hold more than was asked for
            names.update(dict.fromkeys(name for name in page if is_tag(name)))
            if len(names) > _MOST_TAGS:
                raise _too_many(repository)
        return [TaggedImage(name) for name in names]

    def tagged(self, image: str, tag: str) -> TaggedImage | None:
        digest = self._digest(_repository(image), tag)
        return TaggedImage(tag, digest) if digest else None

    def has(self, image: str, digest: str) -> bool:
        return self._digest(_repository(image), digest) is not None

    def scan(self, image: str, digest: str) -> Scan:
        raise Rejected("Unsupported", f"{image}@{digest[:19]}: a registry of kind oci has no scans; kind harbor has")

    def describe(self, image: str, digest: str) -> ImageDescription:
        repository = _repository(image)
        manifest = self._manifest(repository, digest)
        if isinstance(manifest.get("manifests"), list):
            manifest = self._manifest(repository, self._first_platform(repository, manifest["manifests"]))
        config = manifest.get("config")
        blob = config.get("digest") if isinstance(config, dict) else None
        if not isinstance(blob, str) or not is_digest(blob):
            raise Rejected("BadAnswer", f"{image}@{digest[:19]}: its manifest names no config")
        call = RegistryCall(f"config of {repository}", f"v2/{repository}/blobs/{blob}")
        content = _known(self._http.json(call, self._content(repository, call, blob)))
        return ImageDescription(labels(_known(content.get("config")).get("Labels")))

    # -- what it takes

    def _pages(self, repository: str) -> Iterator[list[str]]:
        call = RegistryCall(f"tags of {repository}", f"v2/{repository}/tags/list?n={_PAGE}")
        for _ in range(_MOST_PAGES):
            answer = self._answered(repository, call)
            if answer.status != 200:
                raise self._http.failure(call, answer)
            found = _known(self._http.json(call, answer)).get("tags")
            yield [each for each in found or [] if isinstance(each, str)]
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                return
            call = replace(call, url=following[1])
        raise _too_many(repository)

    def _digest(self, repository: str, reference: str) -> str | None:
        """What stands under a tag, or the digest itself; None when the registry says that it has no such thing."""
        if not (is_tag(reference) or is_digest(reference)):
            raise Rejected("InvalidImage", f"{repository}: {reference[:200]!r} is neither a tag nor a digest")
        call = RegistryCall(
            f"{repository}, {reference[:19]}", f"v2/{repository}/manifests/{reference}", "HEAD", _ACCEPT
        )
        answer = self._answered(repository, call)
        found = answer.headers.get("docker-content-digest", "")
        if answer.status == 200 and is_digest(found):
            return found
        if answer.status not in {200, 404, 405}:
            raise self._http.failure(call, answer)
        call = replace(call, method="GET")  # an answer to HEAD cannot say what is not there
        answer = self._answered(repository, call)
        if answer.status == 200:
            return f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if answer.status == 404:
            codes = {str(_known(each).get("code")) for each in _errors(self._http.json(call, answer))}
            if codes & _ABSENT:
                return None
        raise self._http.failure(call, answer)

    def _manifest(self, repository: str, digest: str) -> Mapping[str, Any]:
        call = RegistryCall(f"manifest of {repository}", f"v2/{repository}/manifests/{digest}", headers=_ACCEPT)
        return _known(self._http.json(call, self._content(repository, call, digest)))

    def _content(self, repository: str, call: RegistryCall, digest: str) -> RegistryResponse:
        """What a digest names: it has to be just that."""
        answer = self._answered(repository, call)
        if answer.status != 200:
            raise self._http.failure(call, answer)
        if f"sha256:{hashlib.sha256(answer.body).hexdigest()}" != digest:
            raise self._http.bad_answer(call, f"is not the content of {digest[:19]}")
        return answer

    def _first_platform(self, repository: str, manifests: list[Any]) -> str:
        """Of an index: attestations stand in it as platform unknown/unknown."""
        for each in map(_known, manifests):
            digest, platform = each.get("digest"), _known(each.get("platform"))
            if isinstance(digest, str) and is_digest(digest) and platform.get("os") != "unknown":
                return digest
        raise Rejected("BadAnswer", f"{self._http.access.host}: an index of {repository} names no image")

    # -- authentication

    def _answered(self, repository: str, call: RegistryCall) -> RegistryResponse:
        """The answer to a request that is authenticated as the registry wants it."""
        sent = self._authorization(repository)
        answer = self._http.follow(replace(call, headers={**call.headers, **sent}))
        if answer.status != 401:
            return answer
        fresh = self._challenged(repository, call, answer.headers.get("www-authenticate", ""))
        if not fresh:
            return answer
        again = self._http.follow(replace(call, headers={**call.headers, **fresh}))
        has_token = fresh.get("Authorization", "").startswith("Bearer ")
        # Who got a token is known: it is this repository that they may not read.
        return replace(again, status=403) if has_token and again.status == 401 else again

    def _authorization(self, repository: str) -> Mapping[str, str]:
        with self._lock:
            known = self._tokens.get(repository)
        if known is not None and known.ends > self._monotonic():
            return {"Authorization": f"Bearer {known.value}"}
        return self._http.basic() if self._wants_basic else {}

    def _challenged(self, repository: str, call: RegistryCall, challenge: str) -> Mapping[str, str]:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "bearer":
            token = self._token(repository, call, {key.lower(): value for key, value in _CHALLENGE.findall(rest)})
            with self._lock:
                if len(self._tokens) >= _MOST_TOKENS:
                    self._tokens.clear()
                self._tokens[repository] = token
            return {"Authorization": f"Bearer {token.value}"}
        if scheme.lower() == "basic":
            self._wants_basic = True
            return self._http.basic()
        return {}

    def _token(self, repository: str, call: RegistryCall, said: Mapping[str, str]) -> _Token:
        """Asks the token server for no more than pulling from this repository, whatever the challenge says."""
        query = {"service": said.get("service", ""), "scope": f"repository:{repository}:pull"}
        realm = said.get("realm", "")
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        asking = RegistryCall(f"token for {call.about}", url, headers=self._http.basic())
        answer = self._http.elsewhere(asking)
        if answer.status != 200:
            raise self._http.failure(asking, answer)
        found = _known(self._http.json(asking, answer))
        value, lasts = found.get("token") or found.get("access_token"), found.get("expires_in")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise self._http.bad_answer(asking, "holds no token")
        seconds = float(lasts) if isinstance(lasts, int) and 0 < lasts < 86_400 else _SHORTEST_TOKEN
        return _Token(value, self._monotonic() + max(seconds, _SHORTEST_TOKEN) * 0.8)


def labels(found: object) -> dict[str, str]:
    """An image's labels, as many and as long as anybody may want to read."""
    texts = {str(key): value for key, value in _known(found).items() if isinstance(value, str)}
    return {key[:_LONGEST_LABEL]: value[:_LONGEST_LABEL] for key, value in list(texts.items())[:_MOST_LABELS]}


def _repository(image: str) -> str:
    """Without the host. Raises: Rejected(InvalidImage): what is none must not become part of a URL."""
    host, _, path = image.partition("/")
    if not is_name(image) or not path or not host:
        raise Rejected("InvalidImage", f"{image[:200]!r} is no repository of a registry (host/path)")
    return path


def _too_many(repository: str) -> Rejected:
    return Rejected("TooManyTags", f"{repository} has more than {_MOST_TAGS} tags; remove old ones")


def _known(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _errors(value: Any) -> list[Any]:
    found = _known(value).get("errors")
    return found if isinstance(found, list) else []
