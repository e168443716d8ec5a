"""ports.Registry over Harbor's API v2.0, which tells push times and scans. Works with a robot account that may list and
read artifacts and tags.

https://github.com/goharbor/harbor/blob/main/api/v2.0/swagger.yaml; what a scan's states mean:
https://github.com/goharbor/harbor/blob/main/src/jobservice/job/status.go
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gitops.adapters.registry.http import RegistryAccess, RegistryCall, RegistryHttp, RegistryResponse
from gitops.adapters.registry.oci import labels
from gitops.core.errors import Rejected
from gitops.core.images.reference import is_digest, is_name, is_tag
from gitops.core.images.registry_facts import ImageDescription, Scan, ScanSeverity, ScanState, TaggedImage

_PAGE = 100
_MOST_PAGES = 100
_MOST_TAGS = 50_000
"""Of one repository; and of one artifact, a fifth of that: what a registry makes us keep is bounded."""
_REPORTS = (
    "application/vnd.security.vulnerability.report; version=1.1",
    "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",
)
"""What a report on vulnerabilities calls itself, the newer first. An SBOM is another one, and no scan."""
_STATES = {
    "Success": ScanState.DONE,
    "Pending": ScanState.RUNNING,
    "Scheduled": ScanState.RUNNING,
    "Running": ScanState.RUNNING,
}
_SEVERITIES = {severity.name.capitalize(): severity for severity in ScanSeverity}
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Harbor writes year 1 where it has no time."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class _Tag(_Said):
    name: str
    push_time: AwareDatetime | None = None


class _Platform(_Said):
    os: str = ""


class _Reference(_Said):
    child_digest: str = ""
    platform: _Platform | None = None


class _Counts(_Said):
    """`total` counts every finding, `summary` those of each word, Unknown among them."""

    total: int = 0
    summary: dict[str, int] | None = None


class _Summary(_Said):
    """`severity` is the worst finding that could be rated: to Harbor Unknown is no worse than None."""

    scan_status: str = ""
    severity: str | None = None
    summary: _Counts | None = None
    end_time: AwareDatetime | None = None
    complete_percent: int | None = None


class _Artifact(_Said):
    digest: str
    push_time: AwareDatetime | None = None
    tags: Annotated[tuple[_Tag, ...], Field(max_length=_MOST_TAGS // 5)] | None = None
    references: tuple[_Reference, ...] | None = None
    extra_attrs: dict[str, Any] | None = None
    scan_overview: dict[str, _Summary | None] | None = None


_Artifacts = TypeAdapter(Annotated[tuple[_Artifact, ...], Field(max_length=10 * _PAGE)])


class HarborRegistry:
    """Thread-safe. Keeps nothing but connections."""

    def __init__(self, access: RegistryAccess, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = RegistryHttp(access, monotonic=monotonic)

    # -- ports.Registry

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:
        found: dict[str, TaggedImage] = {}
        for artifact in self._artifacts(image):
            if since is not None and artifact.push_time is not None and artifact.push_time < since:
                break
            for tag in _tags(artifact):
                known = found.get(tag.tag)  # a push that came while the pages were read moves others to the next one
                if known is None or _at(tag) > _at(known):
                    found[tag.tag] = tag
        return sorted(found.values(), key=_at, reverse=True)

    def tagged(self, image: str, tag: str) -> TaggedImage | None:
        artifact = self._artifact(image, tag, {"with_tag": "true"})
        return next((each for each in _tags(artifact) if each.tag == tag), None) if artifact else None

    def has(self, image: str, digest: str) -> bool:
        return self._artifact(image, digest, {"with_tag": "false"}) is not None

    def scan(self, image: str, digest: str) -> Scan:
        query = {"with_tag": "false", "with_scan_overview": "true"}
        overview = self._existing(image, digest, query).scan_overview or {}
        known = {mime.replace(" ", ""): summary for mime, summary in overview.items() if summary is not None}
        summaries = (known.get(mime.replace(" ", "")) for mime in _REPORTS)
        return next((_scan(summary) for summary in summaries if summary is not None), Scan(ScanState.ABSENT))

    def describe(self, image: str, digest: str) -> ImageDescription:
        artifact = self._existing(image, digest, {"with_tag": "false"})
        children = [
            each.child_digest
            for each in artifact.references or ()
            if is_digest(each.child_digest) and (each.platform is None or each.platform.os != "unknown")
        ]
        if children:
            artifact = self._existing(image, children[0], {"with_tag": "false"})
        config = (artifact.extra_attrs or {}).get("config")
        return ImageDescription(labels(config.get("Labels") if isinstance(config, dict) else None))

    # -- what it takes

    def _artifacts(self, image: str) -> Iterator[_Artifact]:
        """Those that have a tag, the newest push first."""
        query = {"with_tag": "true", "q": "tags=*", "sort": "-push_time", "page_size": str(_PAGE)}
        tags = 0
        for page in range(1, _MOST_PAGES + 1):
            asked = urlencode({**query, "page": str(page)})
            call = self._call(f"tags of {image}", f"{_path(image)}?{asked}")
            answer = self._http.send(call)
            if answer.status != 200:
                raise self._http.failure(call, answer)
            found: tuple[_Artifact, ...] = self._parsed(call, answer, _Artifacts)
            tags += sum(len(each.tags or ()) for each in found)
            if tags > _MOST_TAGS:
                raise Rejected("TooManyTags", f"{image} has more than {_MOST_TAGS} tags; set a retention")
            yield from found
            if len(found) < _PAGE or page * _PAGE >= _total(answer):
                return
        raise Rejected("TooManyTags", f"{image} has more than {_PAGE * _MOST_PAGES} tagged images; set a retention")

    def _artifact(self, image: str, reference: str, query: Mapping[str, str]) -> _Artifact | None:
        """None when Harbor says that it has no such thing."""
        if not (is_tag(reference) or is_digest(reference)):
            raise Rejected("InvalidImage", f"{image}: {reference[:200]!r} is neither a tag nor a digest")
        call = self._call(f"{image}, {reference[:19]}", f"{_path(image)}/{reference}?{urlencode(query)}")
        answer = self._http.send(call)
        if answer.status == 404 and self._is_harbor(call, answer):
            return None
        if answer.status != 200:
            raise self._http.failure(call, answer)
        found: _Artifact = self._parsed(call, answer, TypeAdapter(_Artifact))
        return found

    def _existing(self, image: str, digest: str, query: Mapping[str, str]) -> _Artifact:
        found = self._artifact(image, digest, query)
        if found is None:
            raise Rejected("NotFound", f"{self._http.access.host} does not have {image}@{digest[:19]}")
        return found

    def _call(self, about: str, url: str) -> RegistryCall:
        headers = {"Accept": "application/json", "X-Accept-Vulnerabilities": ", ".join(_REPORTS)}
        return RegistryCall(about, url, headers={**headers, **self._http.basic()})

    def _parsed(self, call: RegistryCall, answer: RegistryResponse, model: TypeAdapter[Any]) -> Any:
        try:
            return model.validate_python(self._http.json(call, answer))
        except ValidationError as error:
            where = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
            raise self._http.bad_answer(call, f"is not what Harbor 2 says (at {where[:100]})") from None

    def _is_harbor(self, call: RegistryCall, answer: RegistryResponse) -> bool:
        """A 404 of anything else than Harbor's API, such as a proxy before it, is no word on an artifact."""
        found = self._http.json(call, answer)
        return isinstance(found, dict) and isinstance(found.get("errors"), list)


def _path(image: str) -> str:
    """Harbor decodes the name of a repository twice, so that it may hold slashes."""
    _, _, path = image.partition("/")
    project, _, repository = path.partition("/")
    if not is_name(image) or not repository:
        raise Rejected("InvalidImage", f"{image[:200]!r} is no repository of a Harbor project (host/project/name)")
    twice = quote(quote(repository, safe=""), safe="")
    return f"api/v2.0/projects/{quote(project, safe='')}/repositories/{twice}/artifacts"


def _tags(artifact: _Artifact) -> Iterator[TaggedImage]:
    if is_digest(artifact.digest):
        for tag in artifact.tags or ():
            if is_tag(tag.name):
                yield TaggedImage(tag.name, artifact.digest, _moment(tag.push_time) or _moment(artifact.push_time))


def _scan(summary: _Summary) -> Scan:
    """Of an index, Harbor calls a report a success when one image's is; below 100 % another's failed."""
    state = _STATES.get(summary.scan_status, ScanState.FAILED)
    if state is ScanState.DONE and summary.complete_percent is not None and summary.complete_percent < 100:
        state = ScanState.FAILED
    if state is not ScanState.DONE:
        return Scan(state)
    return Scan(state, _rated(summary), _moment(summary.end_time))


def _rated(summary: _Summary) -> ScanSeverity | None:
    """The worst finding; None when any finding could not be rated, or nobody tells how."""
    counts = summary.summary or _Counts()
    found = {word for word, number in (counts.summary or {}).items() if number > 0}
    words = {summary.severity or "", *found}
    if not words <= _SEVERITIES.keys():
        return None
    worst = max(_SEVERITIES[word] for word in words)
    return None if worst is ScanSeverity.NONE and (found or counts.total > 0) else worst


def _total(answer: RegistryResponse) -> int:
    try:
        return int(answer.headers["x-total-count"])
    except (KeyError, ValueError):
        return _PAGE * _MOST_PAGES


def _moment(found: datetime | None) -> datetime | None:
    """None also for what is no time that a clock here could show."""
    try:
        return found.astimezone(UTC) if found is not None and found > _NEVER else None
    except OverflowError:
        return None


def _at(tag: TaggedImage) -> datetime:
    return tag.pushed_at or _NEVER
