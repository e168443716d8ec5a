"""ports.Registry over Harbor's API v2.0, which has push times and scans. It needs a robot account that may list and
read artifacts and tags.

https://github.com/goharbor/harbor/blob/main/api/v2.0/swagger.yaml; the states of a scan:
https://github.com/goharbor/harbor/blob/main/src/jobservice/job/status.go
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gitops.adapters.registry.exchange import RegistryAccess, RegistryCall, RegistryResponse
from gitops.adapters.registry.http import RegistryHttp
from gitops.adapters.registry.oci import labels
from gitops.core.errors import Rejected
from gitops.core.images.reference import is_digest, is_name, is_tag
from gitops.core.images.registry_facts import ImageDescription, Scan, ScanSeverity, ScanState, TaggedImage

_PAGE = 100
_MOST_PAGES = 100
_MOST_TAGS = 50_000
"""The limit for one repository; one artifact may have a fifth of it. So a registry cannot fill our memory."""
_REPORTS = (
    "application/vnd.security.vulnerability.report; version=1.1",
    "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",
)
"""The media types of vulnerability reports, the newer first. An SBOM has another type, and is not a scan."""
_STATES = {
    "Success": ScanState.DONE,
    "Pending": ScanState.RUNNING,
    "Scheduled": ScanState.RUNNING,
    "Running": ScanState.RUNNING,
}
_SEVERITIES = {severity.name.capitalize(): severity for severity in ScanSeverity}
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Harbor writes the year 1 for a time that it does not know; every time up to this one counts as unknown."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class _Tag(_Model):
    name: str
    push_time: AwareDatetime | None = None


class _Platform(_Model):
    os: str = ""


class _Reference(_Model):
    child_digest: str = ""
    platform: _Platform | None = None


class _FindingCounts(_Model):
    """`total` counts all findings, `summary` those of each severity, Unknown included."""

    total: int = 0
    summary: dict[str, int] | None = None


class _ScanSummary(_Model):
    """`severity` is the worst rated finding: Harbor ranks Unknown no worse than None."""

    scan_status: str = ""
    severity: str | None = None
    summary: _FindingCounts | None = None
    complete_percent: int | None = None


class _Artifact(_Model):
    digest: str
    push_time: AwareDatetime | None = None
    tags: Annotated[tuple[_Tag, ...], Field(max_length=_MOST_TAGS // 5)] | None = None
    references: tuple[_Reference, ...] | None = None
    extra_attrs: dict[str, Any] | None = None
    scan_overview: dict[str, _ScanSummary | None] | None = None


_Artifacts = TypeAdapter(Annotated[tuple[_Artifact, ...], Field(max_length=10 * _PAGE)])


class HarborRegistry:
    """Implements ports.Registry. Thread-safe. It keeps connections, and no answers."""

    def __init__(self, access: RegistryAccess, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = RegistryHttp(access, monotonic=monotonic)
        self._answers = self._http.answers

    def tags(self, image: str, since: datetime | None = None) -> Sequence[TaggedImage]:
        found: dict[str, TaggedImage] = {}
        for artifact in self._artifacts(image):
            if since is not None and artifact.push_time is not None and artifact.push_time < since:
                break
            for tag in _tags(artifact):
                known = found.get(tag.tag)  # a push during the listing moves artifacts to the next page
                if known is None or _order_by_push(tag) > _order_by_push(known):
                    found[tag.tag] = tag
        return sorted(found.values(), key=_order_by_push, reverse=True)

    def image_of_tag(self, image: str, tag: str) -> TaggedImage | None:
        artifact = self._artifact(image, tag, {"with_tag": "true"})
        return next((each for each in _tags(artifact) if each.tag == tag), None) if artifact else None

    def has(self, image: str, digest: str) -> bool:
        return self._artifact(image, digest, {"with_tag": "false"}) is not None

    def scan(self, image: str, digest: str) -> Scan:
        query = {"with_tag": "false", "with_scan_overview": "true"}
        overview = self._require_artifact(image, digest, query).scan_overview or {}
        known = {mime.replace(" ", ""): summary for mime, summary in overview.items() if summary is not None}
        summaries = (known.get(mime.replace(" ", "")) for mime in _REPORTS)
        return next((_scan(summary) for summary in summaries if summary is not None), Scan(ScanState.ABSENT))

    def describe(self, image: str, digest: str) -> ImageDescription:
        artifact = self._require_artifact(image, digest, {"with_tag": "false"})
        children = [
            each.child_digest
            for each in artifact.references or ()
            if is_digest(each.child_digest) and (each.platform is None or each.platform.os != "unknown")
        ]
        if children:
            artifact = self._require_artifact(image, children[0], {"with_tag": "false"})
        config = (artifact.extra_attrs or {}).get("config")
        return ImageDescription(labels(config.get("Labels") if isinstance(config, dict) else None))

    def _artifacts(self, image: str) -> Iterator[_Artifact]:
        """The artifacts that have a tag, the newest push first. Raises: Rejected(TooManyTags)."""
        query = {"with_tag": "true", "q": "tags=*", "sort": "-push_time", "page_size": str(_PAGE)}
        tags = 0
        for page in range(1, _MOST_PAGES + 1):
            parameters = urlencode({**query, "page": str(page)})
            call = self._call(f"tags of {image}", f"{_path(image)}?{parameters}")
            answer = self._http.send(call)
            if answer.status != 200:
                raise self._answers.translate(call, answer)
            found: tuple[_Artifact, ...] = self._parse(call, answer, _Artifacts)
            tags += sum(len(each.tags or ()) for each in found)
            if tags > _MOST_TAGS:
                raise Rejected("TooManyTags", f"{image} has more than {_MOST_TAGS} tags; set a retention")
            yield from found
            if len(found) < _PAGE or page * _PAGE >= _total(answer):
                return
        raise Rejected("TooManyTags", f"{image} has more than {_PAGE * _MOST_PAGES} tagged images; set a retention")

    def _artifact(self, image: str, reference: str, query: Mapping[str, str]) -> _Artifact | None:
        """Reads one artifact; None if Harbor says that it does not have it."""
        if not (is_tag(reference) or is_digest(reference)):
            raise Rejected("InvalidImage", f"{image}: {reference[:200]!r} is neither a tag nor a digest")
        call = self._call(f"{image}, {reference[:19]}", f"{_path(image)}/{reference}?{urlencode(query)}")
        answer = self._http.send(call)
        if answer.status == 404 and self._is_harbor(call, answer):
            return None
        if answer.status != 200:
            raise self._answers.translate(call, answer)
        found: _Artifact = self._parse(call, answer, TypeAdapter(_Artifact))
        return found

    def _require_artifact(self, image: str, digest: str, query: Mapping[str, str]) -> _Artifact:
        found = self._artifact(image, digest, query)
        if found is None:
            raise Rejected("NotFound", f"{self._http.access.host} does not have {image}@{digest[:19]}")
        return found

    def _call(self, about: str, url: str) -> RegistryCall:
        headers = {"Accept": "application/json", "X-Accept-Vulnerabilities": ", ".join(_REPORTS)}
        return RegistryCall(about, url, headers={**headers, **self._http.basic_header()})

    def _parse(self, call: RegistryCall, answer: RegistryResponse, model: TypeAdapter[Any]) -> Any:
        try:
            return model.validate_python(self._answers.parse_json(call, answer))
        except ValidationError as error:
            where = ".".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
            raise self._answers.bad_answer(call, f"is not an answer of Harbor 2 (at {where[:100]})") from None

    def _is_harbor(self, call: RegistryCall, answer: RegistryResponse) -> bool:
        """True if Harbor's API sent this 404. One from a proxy in front of it says nothing about the artifact."""
        found = self._answers.parse_json(call, answer)
        return isinstance(found, dict) and isinstance(found.get("errors"), list)


def _path(image: str) -> str:
    """The API path of a repository's artifacts. Harbor decodes the name twice, so that it may hold slashes."""
    _, _, path = image.partition("/")
    project, _, repository = path.partition("/")
    if not is_name(image) or not repository:
        raise Rejected("InvalidImage", f"{image[:200]!r} is not a repository of a Harbor project (host/project/name)")
    twice = quote(quote(repository, safe=""), safe="")
    return f"api/v2.0/projects/{quote(project, safe='')}/repositories/{twice}/artifacts"


def _tags(artifact: _Artifact) -> Iterator[TaggedImage]:
    if is_digest(artifact.digest):
        for tag in artifact.tags or ():
            if is_tag(tag.name):
                yield TaggedImage(
                    tag.name, artifact.digest, _read_time(tag.push_time) or _read_time(artifact.push_time)
                )


def _scan(summary: _ScanSummary) -> Scan:
    """Reads a scan. Harbor reports the success of an index if one of its images was scanned; below 100 % another one
    failed.
    """
    state = _STATES.get(summary.scan_status, ScanState.FAILED)
    if state is ScanState.DONE and summary.complete_percent is not None and summary.complete_percent < 100:
        state = ScanState.FAILED
    if state is not ScanState.DONE:
        return Scan(state)
    return Scan(state, _worst_severity(summary))


def _worst_severity(summary: _ScanSummary) -> ScanSeverity | None:
    """The worst severity; None if a finding has no rating, or if Harbor names a severity that we do not know."""
    counts = summary.summary or _FindingCounts()
    found = {name for name, number in (counts.summary or {}).items() if number > 0}
    names = {summary.severity or "", *found}
    if not names <= _SEVERITIES.keys():
        return None
    worst = max(_SEVERITIES[name] for name in names)
    return None if worst is ScanSeverity.NONE and (found or counts.total > 0) else worst


def _total(answer: RegistryResponse) -> int:
    try:
        return int(answer.headers["x-total-count"])
    except (KeyError, ValueError):
        return _PAGE * _MOST_PAGES


def _read_time(found: datetime | None) -> datetime | None:
    """The time in UTC; None if Harbor does not know it, or if datetime cannot hold it in UTC."""
    try:
        return found.astimezone(UTC) if found is not None and found > _NEVER else None
    except OverflowError:
        return None


def _order_by_push(tag: TaggedImage) -> datetime:
    return tag.pushed_at or _NEVER
