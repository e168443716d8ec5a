"""ports.Registry over the OCI distribution API, which every registry speaks. The API has no push times and no scans.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gitops.adapters.registry.exchange import RegistryAccess, RegistryCall, RegistryResponse
from gitops.adapters.registry.http import RegistryHttp
from gitops.adapters.registry.oci_tokens import OciTokens
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
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
_MOST_LABELS = 200
_LONGEST_LABEL = 2000


class OciRegistry:
    """Implements ports.Registry. Thread-safe."""

    def __init__(self, access: RegistryAccess, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._host = access.host
        http = RegistryHttp(access, monotonic=monotonic)
        self._answers = http.answers
        self._tokens = OciTokens(http, monotonic=monotonic)

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:  # noqa: ARG002 - no push times here
        repository = _repository(image)
        names: dict[str, None] = {}
        for page in self._pages(repository):  # a registry may send more than _PAGE tags
            names.update(dict.fromkeys(name for name in page if is_tag(name)))
            if len(names) > _MOST_TAGS:
                raise _too_many(repository)
        return [TaggedImage(name) for name in names]

    def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
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
        content = _as_mapping(self._answers.parse_json(call, self._read(repository, call, blob)))
        return ImageDescription(labels(_as_mapping(content.get("config")).get("Labels")))

    def _pages(self, repository: str) -> Iterator[list[str]]:
        call = RegistryCall(f"tags of {repository}", f"v2/{repository}/tags/list?n={_PAGE}")
        for _ in range(_MOST_PAGES):
            answer = self._tokens.send(repository, call)
            if answer.status != 200:
                raise self._answers.translate(call, answer)
            found = _as_mapping(self._answers.parse_json(call, answer)).get("tags")
            yield [each for each in found or [] if isinstance(each, str)]
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                return
            call = replace(call, url=following[1])
        raise _too_many(repository)

    def _digest(self, repository: str, reference: str) -> str | None:
        """The digest of a tag or digest; None if the registry says that it does not have it."""
        if not (is_tag(reference) or is_digest(reference)):
            raise Rejected("InvalidImage", f"{repository}: {reference[:200]!r} is neither a tag nor a digest")
        call = RegistryCall(
            f"{repository}, {reference[:19]}", f"v2/{repository}/manifests/{reference}", "HEAD", _ACCEPT
        )
        answer = self._tokens.send(repository, call)
        found = answer.headers.get("docker-content-digest", "")
        if answer.status == 200 and is_digest(found):
            return found
        if answer.status not in {200, 404, 405}:
            raise self._answers.translate(call, answer)
        call = replace(call, method="GET")  # an answer to HEAD has no body that could hold an error code
        answer = self._tokens.send(repository, call)
        if answer.status == 200:
            return f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if answer.status == 404:
            codes = {str(_as_mapping(each).get("code")) for each in _errors(self._answers.parse_json(call, answer))}
            if codes & _ABSENT:
                return None
        raise self._answers.translate(call, answer)

    def _manifest(self, repository: str, digest: str) -> Mapping[str, Any]:
        call = RegistryCall(f"manifest of {repository}", f"v2/{repository}/manifests/{digest}", headers=_ACCEPT)
        return _as_mapping(self._answers.parse_json(call, self._read(repository, call, digest)))

    def _read(self, repository: str, call: RegistryCall, digest: str) -> RegistryResponse:
        """Reads the content of a digest, and checks the digest. Raises: Rejected(BadAnswer)."""
        answer = self._tokens.send(repository, call)
        if answer.status != 200:
            raise self._answers.translate(call, answer)
        if f"sha256:{hashlib.sha256(answer.body).hexdigest()}" != digest:
            raise self._answers.bad_answer(call, f"is not the content of {digest[:19]}")
        return answer

    def _first_platform(self, repository: str, manifests: list[Any]) -> str:
        """The digest of an index's first image. Attestations in an index have the platform unknown/unknown."""
        for each in map(_as_mapping, manifests):
            digest, platform = each.get("digest"), _as_mapping(each.get("platform"))
            if isinstance(digest, str) and is_digest(digest) and platform.get("os") != "unknown":
                return digest
        raise Rejected("BadAnswer", f"{self._host}: an index of {repository} names no image")


def labels(found: object) -> dict[str, str]:
    """The text labels of an image: at most 200, keys and values cut to 2000 characters."""
    texts = {str(key): value for key, value in _as_mapping(found).items() if isinstance(value, str)}
    return {key[:_LONGEST_LABEL]: value[:_LONGEST_LABEL] for key, value in list(texts.items())[:_MOST_LABELS]}


def _repository(image: str) -> str:
    """The name without the host, which becomes a part of URLs. Raises: Rejected(InvalidImage)."""
    host, _, path = image.partition("/")
    if not is_name(image) or not path or not host:
        raise Rejected("InvalidImage", f"{image[:200]!r} is not a repository of a registry (host/path)")
    return path


def _too_many(repository: str) -> Rejected:
    return Rejected("TooManyTags", f"{repository} has more than {_MOST_TAGS} tags; remove old ones")


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _errors(value: Any) -> list[Any]:
    found = _as_mapping(value).get("errors")
    return found if isinstance(found, list) else []
